"""Every byte that a server's sockets bring and take, with the time it passed.

The event loop hands sockets to protocols, so a loop that wraps them sees the bytes before anything else does, and the
product runs as it is. Times are `time.monotonic_ns`: one clock for all processes of a machine (CLOCK_MONOTONIC on
Linux, mach_absolute_time on macOS, QueryPerformanceCounter on Windows,
https://peps.python.org/pep-0418/#time-monotonic).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

if sys.platform == "win32":
    _Loop = asyncio.ProactorEventLoop
else:
    _Loop = asyncio.SelectorEventLoop

_FORWARDED = (
    "abort", "can_write_eof", "close", "get_extra_info", "get_protocol", "get_write_buffer_limits",
    "get_write_buffer_size", "is_closing", "is_reading", "pause_reading", "resume_reading", "set_protocol",
    "set_write_buffer_limits", "write_eof",
)  # fmt: skip


@dataclass(slots=True)
class Stream:
    """One connection: what came and what went, each piece with the time at which it did."""

    received: list[tuple[int, bytes]] = field(default_factory=list)
    sent: list[tuple[int, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Recording:
    """The connections that were accepted since the last `clear`."""

    streams: list[Stream] = field(default_factory=list)

    def clear(self) -> None:
        """Begin anew."""
        self.streams = []


class RecordingLoop(_Loop):
    """The platform's event loop; what its servers accept is recorded."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording

    async def create_server(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, **kwargs: Any
    ) -> asyncio.Server:
        """See `asyncio.AbstractEventLoop.create_server`."""

        def recorded() -> asyncio.BaseProtocol:
            stream = Stream()
            self._recording.streams.append(stream)
            return _RecordedProtocol(protocol_factory(), stream)

        return await super().create_server(recorded, *args, **kwargs)


class _RecordedProtocol(asyncio.Protocol):
    """Notes what arrives and passes it on."""

    def __init__(self, protocol: Any, stream: Stream) -> None:
        self._stream = stream
        self._data_received: Callable[[bytes], None] = protocol.data_received
        self._connection_made: Callable[[asyncio.BaseTransport], None] = protocol.connection_made
        for name in ("connection_lost", "eof_received", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(protocol, name))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection_made(_RecordedTransport(transport, self._stream))

    def data_received(self, data: bytes) -> None:
        self._stream.received.append((time.monotonic_ns(), data))
        self._data_received(data)


class _RecordedTransport(asyncio.Transport):
    """Notes what is to be sent and passes it on."""

    def __init__(self, transport: Any, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._write: Callable[[bytes], None] = transport.write
        for name in _FORWARDED:
            setattr(self, name, getattr(transport, name))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        piece = bytes(data)
        self._stream.sent.append((time.monotonic_ns(), piece))
        self._write(piece)
