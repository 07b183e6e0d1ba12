"""What a session has to say to its client: numbered, kept for replay, bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from server.protocol.messages import ServerMessage

TOO_SLOW = 4008
TAKEN_OVER = 4009
GOING_AWAY = 1001


class OutboxClosed(Exception):
    """Nothing more will come for this connection. `close_code` and `reason` are for the transport."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason


@dataclass(slots=True)
class _Entry:
    message: ServerMessage
    size: int
    on_taken: Callable[[], None] | None

    def take(self) -> None:
        """Call back, once."""
        callback, self.on_taken = self.on_taken, None
        if callback is not None:
            callback()


class Outbox:
    """Numbers messages from 1, hands them to one connection at a time, and keeps the newest for a resume.

    A message is *taken* once the transport has written it. Unsent messages over the caps close the connection, never
    the session: the client may resume while its messages are still kept.
    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._kept: deque[_Entry] = deque()
        self._bytes = 0
        self._seq = 0
        self._cursor = 0
        self._connection = 0
        self._attached = False
        self._greeting: ServerMessage | None = None
        self._closed: OutboxClosed | None = None
        self._refused: dict[int, OutboxClosed] = {}
        self._wake = asyncio.Event()

    @property
    def seq(self) -> int:
        """The number of the newest message."""
        return self._seq

    @property
    def attached(self) -> bool:
        """True while a connection reads."""
        return self._attached

    def can_replay(self, seq: int) -> bool:
        """Whether every message after `seq` is still kept."""
        return self._seq - len(self._kept) <= seq <= self._seq

    def put(self, message: ServerMessage, on_taken: Callable[[], None] | None = None) -> int:
        """Number and queue a message; returns its `seq`. `on_taken` is called once, when a transport wrote it."""
        self._seq += 1
        numbered = message.model_copy(update={"seq": self._seq})
        size = len(numbered.model_dump_json())
        self._kept.append(_Entry(numbered, size, on_taken))
        self._bytes += size
        self._shrink()
        self._wake.set()
        return self._seq

    def attach(self, after: int, greeting: ServerMessage | None = None) -> int:
        """A connection begins to read after `seq` number `after`; an older one is told that it was taken over.

        What the client has seen was taken, also where a transport broke before it could say so. `greeting` goes first
        and carries the number `after`: it answers the hello of a resume and is not replayed.
        """
        if self._attached:
            self._refused = {self._connection: OutboxClosed(TAKEN_OVER, "a newer connection took this session over")}
        self._connection += 1
        self._attached = True
        self._cursor = after
        for entry in self._kept:
            if entry.message.seq <= after:
                entry.take()
        self._greeting = None if greeting is None else greeting.model_copy(update={"seq": after})
        self._wake.set()
        return self._connection

    def detach(self, connection: int) -> bool:
        """A connection is gone, and reads nothing more; false where it was gone, or a newer one reads already."""
        self._refused.pop(connection, None)
        if connection != self._connection:
            return False
        self._connection += 1
        self._attached = False
        self._wake.set()
        return True

    def close(self, close_code: int, reason: str) -> None:
        """The session is over: readers get what is queued, then `OutboxClosed`."""
        self._closed = OutboxClosed(close_code, reason)
        self._wake.set()

    async def next(self, connection: int) -> ServerMessage:
        """The next message for this connection.

        Raises:
            OutboxClosed: the session ended, a newer connection reads, or this one was too slow.
        """
        while True:
            if connection in self._refused:
                raise self._refused[connection]
            if connection != self._connection:
                raise OutboxClosed(TAKEN_OVER, "this connection reads no more")
            message = self._take_next()
            if message is not None:
                return message
            if self._closed is not None:
                raise self._closed
            self._wake.clear()
            await self._wake.wait()

    def taken(self, connection: int, seq: int) -> None:
        """The transport wrote message `seq`."""
        if connection != self._connection or not self.can_replay(seq - 1):
            return
        self._kept[seq - self._first_seq].take()

    @property
    def _first_seq(self) -> int:
        return self._seq - len(self._kept) + 1

    def _take_next(self) -> ServerMessage | None:
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            return greeting
        if self._cursor >= self._seq:
            return None
        self._cursor += 1
        return self._kept[self._cursor - self._first_seq].message

    def _shrink(self) -> None:
        while self._kept and (len(self._kept) > self._max_messages or self._bytes > self._max_bytes):
            if self._attached and self._cursor < self._first_seq:
                reason = "this client reads too slowly; resume to get what is still kept"
                self._refused[self._connection] = OutboxClosed(TOO_SLOW, reason)
                self._attached = False
            self._bytes -= self._kept.popleft().size
