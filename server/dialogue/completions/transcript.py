"""Where a client's history stands on the timeline: pure logic over the names of marks.

After each exchange, and before the first, the world's timeline is marked. The name of a mark tells the messages since
the mark before it, as digests, and chains with it, so that the visible marks of a chat are its transcript, and any
other branch of it is found by what was said on it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from server.dialogue.completions.wanted import ChatMessage

MOST_SAID = 5
"""So many messages lie between two marks at most: the name of a save is at most 64 characters long."""
_PREFIX = "chat:"
_DIGEST = 6
_KEY = 8
_ROOT = "." * _KEY


def digest_of(message: ChatMessage) -> str:
    """Names what a message says; white space at its ends does not count."""
    return _hash(f"{message.role}\0{message.text.strip()}", _DIGEST)


def key_of(*names: str) -> str:
    """One name made of several."""
    return _hash("\0".join(names), _KEY)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the timeline.

    `who` names player and NPC, `chat` their conversation. `said` are digests of the messages since the mark before,
    `chain` names all up to here.
    """

    who: str
    chat: str
    chain: str = _ROOT
    said: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The save's name."""
        return f"{prefix_of(self.who)}{self.chat}{self.chain}{''.join(self.said)}"

    @classmethod
    def of(cls, name: str) -> Mark:
        """The mark of this name, which is one that `name` gave."""
        body = name.removeprefix(_PREFIX)
        who, chat, chain, said = body[:_KEY], body[_KEY : 2 * _KEY], body[2 * _KEY : 3 * _KEY], body[3 * _KEY :]
        return cls(who, chat, chain, tuple(said[at : at + _DIGEST] for at in range(0, len(said), _DIGEST)))

    def then(self, *said: str) -> Mark:
        """The mark behind these messages, `MOST_SAID` or less."""
        return Mark(self.who, self.chat, key_of(self.chain, *said), said)


def prefix_of(who: str) -> str:
    """What the names of all marks of a player and an NPC begin with."""
    return f"{_PREFIX}{who}"


def by_chat(marks: Iterable[Mark]) -> dict[str, list[Mark]]:
    """The marks of each chat, in their order."""
    found: dict[str, list[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.chat, []).append(mark)
    return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a history stands: behind `mark`, and the messages from number `known` on are new.

    `is_here`: at the end of the transcript, so that the timeline need not move.
    """

    mark: Mark
    known: int
    is_here: bool


def place_of(history: Sequence[str], visible: Sequence[Mark], names: Collection[str]) -> Place:
    """Where `history` (digests) stands in a chat.

    `visible` are the chat's marks on this branch, oldest first, one at least; `names` those of all its marks. A history
    that lost its beginning is found by what is left of it.
    """
    from_start = _walked(history, _common(history, _said(visible), 0), 0, visible, names)
    anywhere = _walked(history, *_longest(history, _said(visible)), visible, names)
    return anywhere if anywhere.known > from_start.known else from_start


def chat_of(history: Sequence[str], visible: Mapping[str, Sequence[Mark]]) -> str | None:
    """The chat in which most of a history without its beginning was said, the newest of several; None for none."""
    found, most = None, max(1, len(history) // 2)
    for chat, marks in visible.items():
        same, _ = _longest(history, _said(marks))
        if same > most or (found is not None and same == most):
            found, most = chat, same
    return found


def _walked(history: Sequence[str], same: int, start: int, visible: Sequence[Mark], names: Collection[str]) -> Place:
    """The place of a history that has `same` messages in common with those of this branch from number `start` on."""
    ends = list(accumulate(len(mark.said) for mark in visible))
    last = max((index for index, end in enumerate(ends) if end <= start + same), default=0)
    # Other branches may have gone on just as the client says: their marks chain with one of those found here.
    found = {visible[at]: max(0, ends[at] - start) for at in range(last + 1) if at == last or ends[at] >= start}
    todo = list(found)
    while todo:
        mark = todo.pop()
        for size in range(1, MOST_SAID + 1):
            if _leads(mark, history, found[mark], size, names):
                onward = mark.then(*history[found[mark] : found[mark] + size])
                if onward not in found:
                    found[onward] = found[mark] + size
                    todo.append(onward)
    here = set(visible)
    mark = max(found, key=lambda each: (found[each], each == visible[-1], each in here))
    return Place(mark, found[mark], is_here=mark == visible[-1])


def _leads(mark: Mark, history: Sequence[str], known: int, size: int, names: Collection[str]) -> bool:
    said = history[known : known + size]
    return len(said) == size and mark.then(*said).name in names


def _said(marks: Sequence[Mark]) -> list[str]:
    return [digest for mark in marks for digest in mark.said]


def _longest(history: Sequence[str], said: Sequence[str]) -> tuple[int, int]:
    """How many messages from the first of `history` on stand in `said` in a row, and where; the newest of several."""
    return max(((_common(history, said, start), start) for start in range(len(said))), default=(0, 0))


def _common(history: Sequence[str], said: Sequence[str], start: int) -> int:
    same = 0
    while same < len(history) and start + same < len(said) and history[same] == said[start + same]:
        same += 1
    return same


def _hash(text: str, characters: int) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=characters).digest()
    return base64.urlsafe_b64encode(digest)[:characters].decode()
