"""Pieces: the lines that a prompt is made of, each made harmless, measured once, and kept or dropped whole.

Every piece ends with a line feed and holds none before it, save a list's first item, which brings its heading along.
Each piece is a text segment of its own, tokenised by itself, so no later piece can move a token boundary. As the
pre-tokenizers of LFM2 and its relatives split after a line feed anyway, that costs no token over the joined text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from server.prompt.tokens import Tokenizer
from server.text.control import neutralise, one_line

REMEMBERED = "You remember"
KNOWN = "You know"

_CACHED_LINES = 8_192


@dataclass(frozen=True, slots=True)
class Piece:
    """One line and its cost. `key` is the id of the memory or lore entry in it."""

    text: str
    tokens: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The pieces of a block that go in, in the order they were offered, and the tokens of those that do not."""

    kept: tuple[Piece, ...] = ()
    dropped: int = 0

    @property
    def tokens(self) -> int:
        """What the kept pieces cost."""
        return cost(self.kept)


@lru_cache(maxsize=_CACHED_LINES)
def as_line(text: str) -> str:
    """`text` as one line with its line feed, free of control-token spellings; empty where nothing is left.

    Idempotent, so that a line read back from history is the line that was written.
    """
    line = text
    # Repeated, as two words joined into one line, or a hidden character gone, can complete a token's spelling.
    while (cleaned := one_line(neutralise(line))) != line:
        line = cleaned
    return f"{line}\n" if line else ""


def measure(text: str, tokenizer: Tokenizer, key: str = "") -> Piece:
    """`text` as a piece."""
    line = as_line(text)
    return Piece(line, tokenizer.count(line) if line else 0, key)


def pieces(texts: Iterable[str], tokenizer: Tokenizer) -> tuple[Piece, ...]:
    """Each text as a piece; empty ones are left out."""
    measured = (measure(text, tokenizer) for text in texts)
    return tuple(piece for piece in measured if piece.text)


def listed(heading: str, items: Iterable[str], tokenizer: Tokenizer) -> tuple[Piece, ...]:
    """Items as a list under `heading`; the first item brings the heading with it."""
    found: list[Piece] = []
    for item in items:
        line = as_line(item)
        if not line:
            continue
        text = as_line(f"- {line}") if found else as_line(heading) + as_line(f"- {line}")
        found.append(Piece(text, tokenizer.count(text)))
    return tuple(found)


def aside(text: str, *, label: str = "") -> str:
    """What the NPC sees, knows or is to do, set apart from what it hears; empty where `text` is."""
    line = as_line(text).rstrip("\n")
    if not line:
        return ""
    return f"[{label}: {line}]" if label else f"[{line}]"


def cost(chosen: Iterable[Piece]) -> int:
    """Tokens of all pieces together."""
    return sum(piece.tokens for piece in chosen)


def fit(offered: Iterable[Piece], room: int) -> Choice:
    """The pieces that fit into `room` tokens, first come first served; a large one does not keep out a smaller one."""
    kept: list[Piece] = []
    dropped = 0
    for piece in offered:
        if piece.tokens <= room:
            kept.append(piece)
            room -= piece.tokens
        else:
            dropped += piece.tokens
    return Choice(tuple(kept), dropped)
