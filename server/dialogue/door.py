"""A session that a mod holds: the same as a websocket client's, without the socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from server.dialogue.outbox import OutboxClosed
from server.dialogue.session import Session
from server.protocol.messages import ClientMessage, ServerMessage


class Door:
    """Attaches to a session and reads it; a line counts as taken when the mod has come back for the next message."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connection = session.attach()

    @property
    def id(self) -> str:
        """The session's id."""
        return self._session.id

    async def send(self, message: ClientMessage) -> None:
        """Say one message."""
        await self._session.handle(message)

    async def messages(self) -> AsyncGenerator[ServerMessage, None]:
        """Everything the server says, until the session closes."""
        try:
            while True:
                message = await self._session.outbox.next(self._connection)
                yield message
                self._session.outbox.taken(self._connection, message.seq)
        except OutboxClosed:
            return

    async def close(self) -> None:
        """Leave; the session may be resumed like any other."""
        self._session.detach(self._connection)
