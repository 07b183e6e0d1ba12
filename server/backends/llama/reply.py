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
        # Tokens not let out yet, each with the length that `_held` has once its last character is whole.
        self._tokens: list[tuple[int, int]] = []
        self.stopped = False

    def feed(self, token: int, piece: bytes) -> Piece | None:
        """Take the next token; return what it lets out, if anything. After a stop string, `stopped` is True."""
        self._held += self._decoder.decode(piece)
        unfinished_bytes, _ = self._decoder.getstate()
        self._tokens.append((token, len(self._held) + bool(unfinished_bytes)))
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
        if self.stopped:
            whole = any(end == length for _, end in self._tokens)
            tokens = tuple(token for token, end in self._tokens if end <= length) if whole else ()
            return Piece(self._held[:length], tokens) if length else None
        # Before a stop only whole tokens go out, so that ids and text never part.
        ends = [end for _, end in self._tokens if end <= length]
        if not ends or ends[-1] == 0:
            return None
        length = ends[-1]
        piece = Piece(self._held[:length], tuple(token for token, end in self._tokens if end <= length))
        self._held = self._held[length:]
        self._tokens = [(token, end - length) for token, end in self._tokens if end > length]
        return piece
