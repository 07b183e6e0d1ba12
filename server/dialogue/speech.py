"""From raw deltas to lines: filters, sentences, and a watchdog for sentences that do not end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.text.filters import ReplyFilter
from server.text.sentences import SentenceSplitter

FLUSH_AFTER_S = 1.5
"""Text that waits longer than this for its sentence's end is spoken as it is."""


class Speech:
    """Feeds a reply through filters and splitter; `on_text` gets filtered text at once, `on_line` each finished line.

    Lines keep the white space after them, so that joined they equal the filtered text.
    """

    def __init__(
        self,
        reply_filter: ReplyFilter,
        on_text: Callable[[str], None],
        on_line: Callable[[str], None],
        language: str = "",
    ) -> None:
        self._filter = reply_filter
        self._splitter = SentenceSplitter(language=language)
        self._on_text = on_text
        self._on_line = on_line
        self._watchdog: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.raw = ""
        self.text = ""

    @property
    def ended(self) -> bool:
        """True once the reply has begun to speak for somebody else: nothing more of it is used."""
        return self._filter.ended

    def feed(self, raw: str) -> None:
        """More of the reply."""
        self.raw += raw
        self._pass(self._filter.feed(raw))

    def close(self) -> None:
        """The reply is complete; what is left becomes the last line."""
        self._pass(self._filter.close())
        self._speak(self._splitter.close())
        self.cancel()

    def flush(self) -> None:
        """Speak what is there, up to the last whole word."""
        self._rest()
        self._speak(self._splitter.flush())

    def flush_in(self, seconds: float) -> None:
        """Flush once after `seconds` if no line came before: a deadline for the first."""
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.flush)

    def cancel(self) -> None:
        """No more lines by themselves."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._rest()

    def _rest(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _pass(self, text: str) -> None:
        if not text:
            return
        self.text += text
        self._on_text(text)
        self._speak(self._splitter.feed(text))
        if self._watchdog is None:
            self._watchdog = asyncio.get_running_loop().call_later(FLUSH_AFTER_S, self.flush)

    def _speak(self, lines: list[str]) -> None:
        if lines:
            self.cancel()
        for line in lines:
            if line.strip():
                self._on_line(line)
