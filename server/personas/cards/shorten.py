"""Long texts cut where a sentence ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from server.text.sentences import SentenceSplitter

CAP = 480
"""Characters of the longest sentence; a longer one is cut behind a clause or a word."""


def sentences(text: str, cap: int = CAP) -> list[str]:
    """The sentences of `text`, without the white space around them."""
    splitter = SentenceSplitter(first_min=1, min=1, cap=cap)
    return [line.strip() for line in (*splitter.feed(text), *splitter.close())]


def beginning(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """As many whole sentences of `text` as fit, and the rest; the beginning is empty where not even one does."""
    text = text.strip()
    if fits(text):
        return text, ""
    lines = sentences(text)
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(" ".join(lines[:middle])):
            low = middle
        else:
            high = middle - 1
    return " ".join(lines[:low]), " ".join(lines[low:])


def phrases(text: str, cap: int = CAP) -> Iterator[str]:
    """`text` in pieces of whole sentences, each at most `cap` characters."""
    piece = ""
    for line in sentences(text, cap):
        if piece and len(piece) + 1 + len(line) > cap:
            yield piece
            piece = ""
        piece = f"{piece} {line}" if piece else line
    if piece:
        yield piece
