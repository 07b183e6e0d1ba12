"""From tokens to text that can be shown: UTF-8 never cut, nothing of a stop string let out."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is safe to show, and the ids it was made from.

    `tokens` is empty where no whole tokens give exactly this text: a stop string began inside a token.
    """

    text: str
    tokens: tuple[int, ...]


class ReplyText:
    """Joins token pieces to text, and holds back what may turn out to be the beginning of a stop string.

    The texts let out, joined, are the reply; so are their tokens, decoded, unless the last piece has none.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._stop = tuple(text for text in stop if text)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        # Tokens that end within a character, and runs of tokens that end with one: each run with the length of `_held`
        # up to its end.
        self._unfinished: list[int] = []
        self._runs: list[tuple[tuple[int, ...], int]] = []
        self.stopped = False

    def feed(self, token: int, piece: bytes) -> Piece | None:
        """Take the next token; return what it lets out, if anything. After a stop string, `stopped` is True."""
        self._held += self._decoder.decode(piece)
        self._unfinished.append(token)
        bytes_left, _ = self._decoder.getstate()
        if not bytes_left:
            self._runs.append((tuple(self._unfinished), len(self._held)))
            self._unfinished.clear()
        cut = self._stop_position()
        if cut is not None:
            self.stopped = True
            return self._release(cut)
        return self._release(len(self._held) - self._doubtful())

    def finish(self) -> Piece | None:
        """What is still held back, once no more tokens come. An unfinished character is dropped, with its tokens."""
        return None if self.stopped else self._release(len(self._held))

    def _stop_position(self) -> int | None:
        positions = [at for at in (self._held.find(text) for text in self._stop) if at >= 0]
        return min(positions, default=None)

    def _doubtful(self) -> int:
        """Length of the longest end of the held text that a stop string begins with."""
        longest = max((len(text) for text in self._stop), default=1) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(text.startswith(self._held[-size:]) for text in self._stop):
                return size
        return 0

    def _release(self, length: int) -> Piece | None:
        runs = [run for run in self._runs if run[1] <= length]
        end = runs[-1][1] if runs else 0
        tokens = tuple(token for run, _ in runs for token in run)
        if self.stopped:
            return Piece(self._held[:length], tokens if end == length else ()) if length else None
        # Before a stop only whole runs go out, so that ids and text never part.
        if not end:
            return None
        piece = Piece(self._held[:end], tokens)
        self._held = self._held[end:]
        self._runs = [(run, at - end) for run, at in self._runs[len(runs) :]]
        return piece
