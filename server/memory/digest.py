"""What an NPC makes of what happened: how it stands to others, its mood, and what was agreed. A fold over the log.

`fold` is pure: the same events, rules and names always give the same rows, so they can be made again from the log, and
making them twice changes nothing. Each row lies at the place of the event it follows from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from server.memory.commitments import KINDS, Commitment, of_fact
from server.memory.extract import SPOKEN
from server.memory.facts import Fact
from server.memory.feelings import Feeling, Regard
from server.memory.impressions import BROKEN, KEPT, Impression, Impressions
from server.memory.records import Head, StoredEvent

HEARSAY = "told"
_CALLED = re.compile(r"\bI(?:'ll| will| shall|'m going to) call you ([A-Z][\w'-]*(?: [A-Z][\w'-]*){0,2})")
_MAX_NAME = 32


@dataclass(frozen=True, slots=True)
class Witnessed:
    """An event of `branch` as one NPC lived it. `addressed`: it answered it; `alone`: nobody else noticed it."""

    branch: int
    event: StoredEvent
    addressed: bool
    alone: bool
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be digested, oldest first, and how things stood before. `head` is where the world was then."""

    head: Head
    npc: str
    happened: tuple[Witnessed, ...]
    regards: Mapping[str, Regard]
    feeling: Feeling
    agreed: tuple[Commitment, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What one event changed."""

    branch: int
    seq: int
    regards: tuple[Regard, ...]
    feeling: Feeling | None
    agreed: tuple[Commitment, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """All changes of a batch, and how far it goes in each branch."""

    changes: tuple[Change, ...]
    up_to: Mapping[int, int]


def fold(batch: Batch, rules: Impressions, names: Iterable[str]) -> Digest:
    """What the events of `batch` changed. `names` are those of the NPC, as somebody may say or write them."""
    mind = _Mind(batch, rules, tuple(name.casefold() for name in names if name))
    changes = [change for each in batch.happened if (change := mind.after(each)) is not None]
    return Digest(tuple(changes), {each.branch: each.event.seq for each in batch.happened})


class _Mind:
    """How things stand while a batch is gone through."""

    def __init__(self, batch: Batch, rules: Impressions, names: tuple[str, ...]) -> None:
        self._npc = batch.npc
        self._rules = rules
        self._names = names
        self._regards = dict(batch.regards)
        self._feeling = batch.feeling
        self._agreed = {(one.made, one.nth): one for one in batch.agreed if one.state == "open"}

    def after(self, happened: Witnessed) -> Change | None:
        """Live through one event; what it changed, or None for nothing."""
        event = happened.event
        before, felt = dict(self._regards), self._feeling
        left = [] if self._is_own(event) or event.how == HEARSAY else self._impressions(event)
        agreed = self._judged(event, left)
        for one in agreed:
            rule = self._rules.named(KEPT if one.state == "kept" else BROKEN)
            if rule is not None and one.teller != self._npc and not any(said.name == rule.name for said in left):
                self._move(one.teller, rule, one.weight, event)
        for rule in left:
            weight = self._weight(rule, happened)
            if weight:
                self._move(event.speaker or event.player, rule, weight, event)
        self._learn_names(happened)
        agreed += self._new(happened, left)
        moved = tuple(one for other, one in self._regards.items() if before.get(other, Regard(other)) != one)
        feeling = self._feeling if self._feeling != felt else None
        if not moved and feeling is None and not agreed:
            return None
        return Change(happened.branch, event.seq, moved, feeling, tuple(agreed))

    def _is_own(self, event: StoredEvent) -> bool:
        return event.speaker == self._npc

    def _impressions(self, event: StoredEvent) -> list[Impression]:
        if event.kind in SPOKEN:
            return list(self._rules.of_words(event.text))
        rule = self._rules.of_event(event.kind)
        return [] if rule is None else [rule]

    def _weight(self, rule: Impression, happened: Witnessed) -> float:
        if happened.event.kind in SPOKEN:
            return 1.0 if happened.addressed or happened.event.how == "whispered" else rule.witnessed
        return 1.0 if happened.alone or self._is_named_in(happened.event.text) else rule.witnessed

    def _is_named_in(self, text: str) -> bool:
        said = text.casefold()
        return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said) for name in self._names)

    def _move(self, other: str, rule: Impression, weight: float, event: StoredEvent) -> None:
        if not other or other == self._npc:
            return
        known = self._regards.get(other, Regard(other))
        self._regards[other] = known.moved(rule.effect, weight, event.time)
        self._feeling = self._feeling.moved(rule.effect, weight, event.time)

    def _judged(self, event: StoredEvent, left: list[Impression]) -> list[Commitment]:
        """What this event kept or broke. A word that is kept settles one promise, the newest, unless it tells which."""
        is_gift, is_kept = (any(rule.name == name for rule in left) for name in ("gift", KEPT))
        judged = [one.judged(event, is_gift=is_gift, is_kept=is_kept) for one in self._agreed.values()]
        settled = [one for one in judged if one.state != "open"]
        if is_kept:
            kept = [one for one in settled if one.state == "kept"]
            settled = [one for one in settled if one.state != "kept"] + kept[-1:]
        for one in settled:
            del self._agreed[one.made, one.nth]
        return settled

    def _new(self, happened: Witnessed, left: list[Impression]) -> list[Commitment]:
        if happened.event.how == HEARSAY or any(rule.name == "threat" for rule in left):
            return []
        rule = self._rules.named(BROKEN)
        aside = rule.witnessed if rule is not None else 0.0
        weight = 1.0 if happened.addressed or self._is_own(happened.event) else aside
        made: list[Commitment] = []
        for one in (of_fact(fact, weight) for fact in happened.facts if fact.kind in KINDS and fact.teller):
            if not any(one.is_same_as(other) for other in made):
                made.append(one)
        self._agreed.update({(one.made, one.nth): one for one in made})
        return made

    def _learn_names(self, happened: Witnessed) -> None:
        event = happened.event
        if event.kind not in SPOKEN or self._is_own(event) or not event.speaker:
            return
        known = self._regards.get(event.speaker, Regard(event.speaker))
        named = [fact.object for fact in happened.facts if fact.kind == "name" and fact.teller == event.speaker]
        if named and len(named[-1]) <= _MAX_NAME:
            known = replace(known, calls=named[-1])
        if (
            happened.addressed
            and (found := _CALLED.search(event.text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))
            and len(found[1]) <= _MAX_NAME
        ):
            known = replace(known, called=found[1])
        if known != self._regards.get(event.speaker, Regard(event.speaker)):
            self._regards[event.speaker] = known


def still_due(agreed: Iterable[Commitment], now_h: float, lasting_h: float) -> Iterator[Commitment]:
    """What falls due by `now_h`, or was broken, at most `lasting_h` before; the newest first."""
    for one in agreed:
        if one.state == "open" and one.due_h is not None and now_h - lasting_h <= one.due_h <= now_h:
            yield one
        if one.state == "broken" and one.since_h is not None and now_h - lasting_h <= one.since_h <= now_h:
            yield one
