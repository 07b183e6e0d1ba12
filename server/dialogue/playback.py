"""What was heard: lines on their way from the turn to the player's ears."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from server.text.heard import heard_part

PATIENCE_FACTOR = 1.5
PATIENCE_EXTRA_S = 3.0
"""How long a client may take to report a line: its `duration_ms` times 1.5, and 3 s for all of them."""


@dataclass(slots=True)
class SpokenLine:
    """A line that was sent. `fraction` of its characters was heard; None until that is known."""

    text: str
    duration_ms: int
    fraction: float | None = None


class Playback:
    """Follows the lines of one turn.

    With `reported` the client says what it played; without, a line is heard when the transport took it.
    """

    def __init__(self, *, reported: bool) -> None:
        self._reported = reported
        self._lines: list[SpokenLine] = []
        self._changed = asyncio.Event()

    def add(self, text: str, duration_ms: int) -> Callable[[], None] | None:
        """A line goes out; returns what the outbox is to call when the transport took it."""
        line = SpokenLine(text, duration_ms)
        self._lines.append(line)
        return None if self._reported else lambda: self._heard(line, 1.0)

    def played(self, index: int, fraction: float) -> None:
        """The client reports line `index`; an unknown line, or a report it did not announce, changes nothing."""
        if self._reported and index < len(self._lines):
            self._heard(self._lines[index], fraction)

    @property
    def all_text(self) -> str:
        """Everything that was sent."""
        return _joined(line.text for line in self._lines)

    @property
    def heard(self) -> str:
        """Everything that was heard, whole words only."""
        return _joined(heard_part(line.text, line.fraction or 0.0) for line in self._lines)

    async def drained(self) -> None:
        """Wait until the last line was heard, or a reporting client has run out of patience."""
        while not self._is_drained():
            self._changed.clear()
            try:
                async with asyncio.timeout(self._patience_s() if self._reported else None):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _is_drained(self) -> bool:
        if not self._lines:
            return True
        if self._reported:
            return self._lines[-1].fraction is not None
        return all(line.fraction is not None for line in self._lines)

    def _patience_s(self) -> float:
        unplayed_ms = sum(line.duration_ms for line in self._lines if line.fraction is None)
        return unplayed_ms / 1_000 * PATIENCE_FACTOR + PATIENCE_EXTRA_S

    def _heard(self, line: SpokenLine, fraction: float) -> None:
        if line.fraction is None:  # only a first report is news: repeating one gains no time
            self._changed.set()
        line.fraction = max(line.fraction or 0.0, fraction)


def _joined(pieces: Iterable[str]) -> str:
    # Each line keeps the white space that followed it, so that heard text can equal generated text exactly.
    return "".join(pieces).strip()
