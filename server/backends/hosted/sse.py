"""Server-sent events: bytes in, the data of whole events out (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import re

from server.errors import RouteBroken

MAX_EVENT_BYTES = 262_144
"""A reply delta takes some hundred bytes; a line or event beyond this is not one."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class SseParser:
    """Cuts a byte stream into events. Only `data` counts here: comments, `event`, `id` and `retry` are passed over."""

    def __init__(self) -> None:
        """A parser for one response body."""
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._started = False
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[str]:
        """The data of each event that `chunk` completes. Lines may end in CR LF, LF or CR, and be cut anywhere.

        Raises:
            RouteBroken: a line or an event is longer than `MAX_EVENT_BYTES`.
        """
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        # A lone CR already ends its line; the LF that may follow in the next chunk belongs to it.
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        first, *more = _LINE_END.split(chunk)  # what is left of the last chunk has no end in it
        *lines, self._rest = [self._rest + first, *more]
        if len(self._rest) > MAX_EVENT_BYTES:
            raise RouteBroken("the route sent a line without an end")
        return [data for line in lines if (data := self._line(line)) is not None]

    def close(self) -> list[str]:
        """The data of an event cut off by the end of the stream: many servers leave out the last empty line."""
        events = [self._line(self._rest), self._line(b"")]
        self._rest = b""
        return [data for data in events if data is not None]

    def _line(self, line: bytes) -> str | None:
        """Take one line; the data of the event that it ends."""
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if not line:
            return self._event()
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            if self._size > MAX_EVENT_BYTES:
                raise RouteBroken("the route sent an event without an end")
        return None

    def _event(self) -> str | None:
        if not self._data:
            return None
        data = b"\n".join(self._data).decode("utf-8", "replace")
        self._data, self._size = [], 0
        return data
