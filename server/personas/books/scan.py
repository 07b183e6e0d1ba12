"""Which entries of a lorebook a conversation brings up.

The rules are SillyTavern's World Info and the decorators of Character Card V3, with three differences: chance comes
from the turn and not from a clock, so that the same turn always brings up the same; an entry that does not fit does not
keep out a smaller one behind it; and what stands in the prompt already is not told again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from server.personas.books.book import place
from server.personas.books.compiled import Books, Ready, logic_holds

MAX_PASSES: Final = 128
MAX_VERDICTS: Final = 64

Outcome = Literal["told", "standing", "left out"]


@dataclass(frozen=True, slots=True)
class Talk:
    """What a scan looks at. `messages` are newest first, each a speaker and its words.

    `count` is how many messages the conversation has, `replies` how many of them are the NPC's. `told` says at which
    count an entry was last told; `standing` are those that are still in the prompt. `seed` settles chance.
    """

    messages: Sequence[tuple[str, str]]
    count: int
    replies: int
    seed: str
    names: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    told: Mapping[str, int] = field(default_factory=dict)
    standing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an entry that came up, and why."""

    entry: str
    outcome: Outcome
    why: str
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Entries to tell, in the order they are to stand, and what became of all that came up."""

    entries: tuple[Ready, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def scan(books: Books, talk: Talk, room: int, count_tokens: Callable[[str], int]) -> Found:
    """Look through `books`. What is told takes at most `room` tokens, as `count_tokens` counts an entry's text."""
    return _Scan(books, talk, room, count_tokens).run()


class _Scan:
    """One look through; see `scan`."""

    def __init__(self, books: Books, talk: Talk, room: int, count_tokens: Callable[[str], int]) -> None:
        self._books = books
        self._talk = talk
        self._room = room
        self._count_tokens = count_tokens
        self._nearest: dict[int, int] = {}
        self._looked = 0
        self._again: set[int] = set()
        self._active: dict[str, tuple[Ready, str]] = {}
        self._tokens: dict[str, int] = {}
        self._spent: dict[int, int] = {}
        self._out: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._extra = 0
        self._level = 0
        self._recursing = False

    def run(self) -> Found:
        """Pass after pass, until nothing new comes up."""
        for steps in range(1, MAX_PASSES):
            self._look(self._books.deepest + self._extra)
            new = self._admit(self._new())
            if not (self._recurse(new, steps) or self._next_level() or self._widen()):
                break
        told = sorted((ready for ready, _ in self._active.values() if self._is_told(ready)), key=_stands)
        return Found(tuple(told), self._verdicts({ready.id for ready in told}))

    def _look(self, depth: int) -> None:
        """Find the keys of messages down to `depth`, those that were not looked at yet."""
        for at in range(self._looked, min(depth, len(self._talk.messages))):
            speaker, words = self._talk.messages[at]
            named = all(book.include_names for book in self._books.books)
            for key in self._books.finder.found(f"{speaker}: {words}" if named and speaker else words):
                self._nearest.setdefault(key, at)
        self._looked = max(self._looked, depth)

    def _new(self) -> list[Ready]:
        keys = self._nearest.keys() | self._again
        candidates = {each.id: each for key in keys for each in self._books.by_key.get(key, ())}
        candidates |= {each.id: each for each in self._books.unasked}
        candidates |= {name: each for name in self._talk.told if (each := self._books.by_id.get(name)) is not None}
        found = []
        for each in candidates.values():
            if each.id in self._active or each.id in self._out or not each.text:
                continue
            if not (why := self._why(each)):
                continue
            self._tokens[each.id] = self._count_tokens(each.text)
            if self._is_cooling(each):
                self._out[each.id] = "it was told not long ago"
            else:
                self._reasons[each.id] = why
                found.append(each)
        return sorted(found, key=lambda each: (not self._is_sticky(each), *each.chooses_before()))

    def _why(self, each: Ready) -> str:
        """What brings an entry up; empty where nothing does. The checks and their order are SillyTavern's."""
        entry, said, is_sticky = each.entry, each.entry.decorators, self._is_sticky(each)
        if not self._is_for_us(each) or self._talk.count < entry.delay:
            return ""
        if (
            entry.delay_until_recursion
            and not is_sticky
            and not (self._recursing and self._level >= entry.delay_until_recursion)
        ):
            return ""
        if entry.exclude_recursion and self._recursing and not is_sticky:
            return ""
        if said.activate:
            return "it is always in"
        if said.dont_activate or not self._conditions_hold(each):
            return ""
        if entry.constant:
            return "it is always in"
        if is_sticky:
            return "it stays for a while"
        if said.keep_after_match and each.id in self._talk.told:
            return "it came up once"
        return self._by_keys(each)

    def _by_keys(self, each: Ready) -> str:
        primary = next((at for at, key in enumerate(each.primary) if self._is_said(each, key)), None)
        if primary is None:
            return ""
        if each.secondary and not logic_holds(each.entry.logic, (self._is_said(each, key) for key in each.secondary)):
            return ""
        return f"'{each.entry.keys[primary][:48]}' was said"

    def _is_for_us(self, each: Ready) -> bool:
        entry = each.entry
        if not entry.names and not entry.tags:
            return True
        is_named = any(name.casefold() in self._talk.names for name in entry.names)
        is_tagged = any(tag.casefold() in self._talk.tags for tag in entry.tags)
        return (is_named or is_tagged) != entry.names_excluded

    def _conditions_hold(self, each: Ready) -> bool:
        said, replies = each.entry.decorators, self._talk.replies
        if said.only_after is not None and replies < said.only_after:
            return False
        if said.only_every is not None and replies % said.only_every:
            return False
        if said.is_greeting is not None:
            return False  # which greeting was said is not known
        if said.not_after_match and each.id in self._talk.told:
            return False
        if any(self._is_said(each, key) for key in each.excluded):
            return False
        return all(any(self._is_said(each, key) for key in keys) for keys in each.additional)

    def _is_said(self, each: Ready, key: int) -> bool:
        depth = min(each.scan_depth + self._extra, max(each.book.max_depth, each.scan_depth))
        near = self._nearest.get(key)
        if near is not None and near < depth:
            return True
        return key in self._again and each.book.recursive and not self._extra and not each.entry.exclude_recursion

    def _age(self, each: Ready) -> int | None:
        at = self._talk.told.get(each.id)
        return None if at is None else self._talk.count - at

    def _is_sticky(self, each: Ready) -> bool:
        age = self._age(each)
        return age is not None and 0 <= age <= each.entry.sticky and each.entry.sticky > 0

    def _is_cooling(self, each: Ready) -> bool:
        age, entry = self._age(each), each.entry
        return age is not None and entry.sticky < age <= entry.sticky + entry.cooldown

    def _admit(self, new: list[Ready]) -> list[Ready]:
        """Groups, then chance, then budget."""
        admitted = []
        for each in self._winners(new):
            entry = each.entry
            if not self._is_sticky(each) and chance(f"{self._talk.seed}/{each.id}", 100) >= entry.probability:
                self._out[each.id] = f"its {entry.probability} % did not come"
                continue
            if why := self._no_room(each):
                self._out[each.id] = why
                continue
            self._active[each.id] = (each, self._reasons[each.id])
            admitted.append(each)
        return admitted

    def _no_room(self, each: Ready) -> str:
        """Why an entry has no room; where it has, the room is taken."""
        tokens = self._tokens[each.id]
        is_told = self._is_told(each)
        budget = each.book.token_budget
        if budget is not None and not each.entry.ignore_budget and self._spent.get(each.rank, 0) + tokens > budget:
            return f"the book's budget of {budget} tokens was full"
        if is_told and tokens > self._room:
            return "the room for lore was full"
        self._spent[each.rank] = self._spent.get(each.rank, 0) + tokens
        if is_told:
            self._room -= tokens
        return ""

    def _is_told(self, each: Ready) -> bool:
        """Whether it is to be told now: it stands neither in the history nor in the persona."""
        return each.id not in self._talk.standing and not (each.book.is_own and each.entry.is_standing)

    def _winners(self, new: list[Ready]) -> list[Ready]:
        """Of each inclusion group one."""
        lost: set[str] = set()
        for group in dict.fromkeys(name for each in new for name in each.entry.groups):
            rivals = [each for each in new if group in each.entry.groups and each.id not in lost]
            winner = None if self._is_won(group) else self._winner(group, rivals)
            for each in rivals:
                if each is not winner:
                    lost.add(each.id)
                    self._out[each.id] = f"another of the group '{group[:32]}' went in"
        return [each for each in new if each.id not in lost]

    def _is_won(self, group: str) -> bool:
        return any(group in ready.entry.groups for ready, _ in self._active.values())

    def _winner(self, group: str, rivals: list[Ready]) -> Ready | None:
        if not rivals:
            return None
        if sticky := [each for each in rivals if self._is_sticky(each)]:
            return sticky[0]
        if any(each.entry.group_scoring for each in rivals):
            best = max(self._score(each) for each in rivals)
            rivals = [each for each in rivals if not each.entry.group_scoring or self._score(each) == best]
        if first := [each for each in rivals if each.entry.group_override]:
            return max(first, key=lambda each: each.entry.order)
        total = sum(each.entry.group_weight for each in rivals)
        mark = chance(f"{self._talk.seed}/group/{group}", total) if total else 0
        for each in sorted(rivals, key=lambda each: each.id):
            mark -= each.entry.group_weight
            if mark < 0:
                return each
        return rivals[0]

    def _score(self, each: Ready) -> int:
        """How many of its keys were said."""
        return sum(self._is_said(each, key) for key in (*each.primary, *each.secondary))

    def _recurse(self, new: Iterable[Ready], steps: int) -> bool:
        """Look for keys in what just came up; whether there is a reason for another pass."""
        found: set[int] = set()
        for each in new:
            limit = each.book.max_recursion_steps
            if each.book.recursive and not each.entry.prevent_recursion and (not limit or steps < limit):
                found |= self._books.finder.found(each.scanned)
        self._recursing = self._recursing or bool(found)
        is_more = not found <= self._again
        self._again |= found
        return is_more

    def _next_level(self) -> bool:
        """Entries that wait for recursion come level by level, the lowest first."""
        levels = (
            {
                each.entry.delay_until_recursion
                for each in self._books.ready
                if each.book.recursive and each.entry.delay_until_recursion > self._level
            }
            if self._active
            else set()
        )
        if not levels:
            return False
        self._level, self._recursing = min(levels), True
        return True

    def _widen(self) -> bool:
        """Look further back while a book has too few entries in."""
        for rank, book in enumerate(self._books.books):
            active = sum(ready.rank == rank for ready, _ in self._active.values())
            deepest = min(book.max_depth, len(self._talk.messages))
            if active < book.min_activations and book.scan_depth + self._extra < deepest:
                self._extra += 1
                self._recursing = False
                return True
        return False

    def _verdicts(self, told: set[str]) -> tuple[Verdict, ...]:
        found = [
            Verdict(name, "told" if name in told else "standing", why, self._tokens[name])
            for name, (_, why) in self._active.items()
        ]
        found += [Verdict(name, "left out", why, self._tokens.get(name, 0)) for name, why in self._out.items()]
        return tuple(found[:MAX_VERDICTS])


def chance(seed: str, sides: int) -> int:
    """0 to `sides` less one, the same for the same seed."""
    digest = hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % sides


def _stands(each: Ready) -> tuple[int, int, int, int]:
    return *place(each.entry), -each.rank
