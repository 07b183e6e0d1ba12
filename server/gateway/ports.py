"""What the doors need from the rooms below. The dialogue's classes match these by shape; tests bring their own."""

from __future__ import annotations

from typing import Protocol

from server.errors import ProtocolError
from server.protocol.messages import ClientMessage, Hello, ServerMessage


class Outbox(Protocol):
    """What a session has to say, numbered, for one connection at a time."""

    async def next(self, connection: int) -> ServerMessage:
        """The next message for this connection; safe to cancel.

        Raises:
            OutboxClosed: nothing more comes; it carries the close code and the reason.
        """

    def taken(self, connection: int, seq: int) -> None:
        """The transport took message `seq`."""


class Session(Protocol):
    """One client's conversation, which outlives its connection."""

    @property
    def id(self) -> str:
        """The session's id."""

    @property
    def outbox(self) -> Outbox:
        """What the session has to say."""

    def attach(self) -> int:
        """A connection begins: its number. An older connection is told that it was taken over."""

    def detach(self, connection: int) -> None:
        """That connection is gone. Idempotent."""

    async def handle(self, message: ClientMessage) -> None:
        """Do one message. Never raises `ProtocolError`: answers go to the outbox."""

    def refuse(self, error: ProtocolError, re: str | None) -> None:
        """Answer a frame that cannot be done, in order with everything else; `re` is the client's id where known."""


class Sessions(Protocol):
    """Where sessions come from."""

    async def open(self, hello: Hello) -> Session:
        """A new session, or the one that `hello.resume` names.

        Raises:
            ProtocolError: the hello is refused.
        """
