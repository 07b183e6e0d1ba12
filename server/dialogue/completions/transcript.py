"""Where a client's history stands on the timeline: pure logic over the names of marks.

After each exchange, and before the first, the world's timeline is marked. The name of a mark tells the messages since
the mark before it, as digests, and chains with it, so that the visible marks of a chat are its transcript, and any
other branch of it is found by what was said on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.dialogue.completions.wanted import ChatMessage

_DIGEST = 8
_CHAIN = 16
ROOT = "0" * _CHAIN


def digest_of(message: ChatMessage) -> str:
    """Names what a message says; white space at its ends does not count."""
    return _hash(f"{message.role}\0{message.text.strip()}", _DIGEST)


def key_of(*names: str) -> str:
    """Names a chat."""
    return _hash("\0".join(names), _CHAIN)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the timeline: `said` are digests of the messages since the mark before, `chain` names all up to here."""

    chat: str
    chain: str
    said: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The save's name."""
        return f"chat:{self.chat}:{self.chain}:{'.'.join(self.said)}"

    @classmethod
    def of(cls, name: str) -> Mark:
        """The mark of this name, which is one that `name` gave."""
        _, chat, chain, said = name.split(":", 3)
        return cls(chat, chain, tuple(said.split(".")) if said else ())

    def then(self, *said: str) -> Mark:
        """The mark behind these messages."""
        return Mark(self.chat, _hash("\0".join((self.chain, *said)), _CHAIN), said)


def root_of(chat: str) -> Mark:
    """The mark before the first message."""
    return Mark(chat, ROOT)


def prefix_of(chat: str) -> str:
    """What the names of all marks of a chat begin with."""
    return f"chat:{chat}:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a history stands: behind `mark`, and the messages from number `known` on are new.

    `is_here`: at the end of the transcript, so that the timeline need not move.
    """

    mark: Mark
    known: int
    is_here: bool


def place_of(history: Sequence[str], visible: Sequence[Mark], others: Iterable[str]) -> Place | None:
    """Where `history` (digests) stands in a chat; None in one that has no marks.

    `visible` are the chat's marks on this branch, oldest first, `others` the names of all it has. A history that lost
    its beginning is found by what is left of it.
    """
    if not visible:
        return None
    at, known = _aligned(history, visible)
    mark = visible[at]
    names = set(others)
    forward = mark
    # Another branch may have gone on just as the client says: its marks chain with the one found here.
    while step := next((size for size in (2, 1) if _is_known(forward, history[known : known + size], size, names)), 0):
        forward = forward.then(*history[known : known + step])
        known += step
    return Place(forward, known, is_here=forward == visible[-1])


def _is_known(mark: Mark, said: Sequence[str], size: int, names: set[str]) -> bool:
    return len(said) == size and mark.then(*said).name in names


def _aligned(history: Sequence[str], visible: Sequence[Mark]) -> tuple[int, int]:
    """The index of the last mark that agrees with `history`, and how many of its messages lie before that."""
    ends = [0]
    flat: list[str] = []
    for mark in visible[1:]:
        flat += mark.said
        ends.append(len(flat))
    best = (0, 0)  # messages that agree, and where in the transcript they begin
    for start in range(len(flat)):
        same = _common(history, flat, start)
        # Of equals the beginning of the chat wins; otherwise the newest place does.
        if same > best[0] or (same == best[0] and same and best[1] != 0):
            best = (same, start)
    same, start = best
    at = max((index for index, end in enumerate(ends) if end <= start + same), default=0)
    return at, max(0, ends[at] - start)


def _common(history: Sequence[str], flat: Sequence[str], start: int) -> int:
    same = 0
    while same < len(history) and start + same < len(flat) and history[same] == flat[start + same]:
        same += 1
    return same


def _hash(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=size // 2).hexdigest()
