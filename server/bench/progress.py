"""How far a long measurement is, on stderr: one line that rewrites itself on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import TextIO

QUIET_S = 10.0
"""Between two lines where stderr is not a terminal."""
_WIDTH = 100


class Progress:
    """The state of one undertaking. `close` leaves the terminal on a fresh line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._open = False
        self._said_s = float("-inf")

    def show(self, text: str) -> None:
        """Tell what is being done now; off a terminal only where it is time to."""
        if self._live:
            self._write(f"\r{text[:_WIDTH]:<{_WIDTH}}")
            self._open = True
        elif time.monotonic() - self._said_s >= QUIET_S:
            self.say(text)

    def say(self, text: str) -> None:
        """Tell something that stays to be read."""
        self.close()
        self._said_s = time.monotonic()
        self._write(f"{text}\n")

    def close(self) -> None:
        """End the line that rewrites itself."""
        if self._open:
            self._open = False
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
