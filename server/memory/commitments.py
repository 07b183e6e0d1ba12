"""Promises and appointments: what was agreed, when it falls due, and whether it was kept. Rules and rows.

A promise is kept when whoever made it does something that has to do with it (a gift, an event `promise_kept`, "here is
the ring, as promised"); an appointment, when that one is there at the time. One with a due time that passes by
`GRACE_H` is broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from server.memory.database import Connection
from server.memory.facts import Fact
from server.memory.feelings import SECONDS_PER_HOUR
from server.memory.records import StoredEvent
from server.memory.timeline import VisiblePath

GRACE_H = 12.0
"""Game hours after the due time in which nobody takes offence."""
EARLY_H = 2.0
"""An appointment is kept by who comes so early."""
KINDS = frozenset({"promise", "appointment"})
_NEWEST_ROWS = 128

State = Literal["open", "kept", "broken"]
_DELIVERY = re.compile(
    r"\b(?:here(?:'s| is| are| you are)|as (?:i )?promised|i(?:'ve| have)? (?:brought|got|kept|found|returned|repaid)"
    r"|i have your|take (?:it|this|your)|back, as|hier (?:ist|sind)|wie versprochen)\b"
)
_WORD = re.compile(r"\w{4,}")
_EMPTY = frozenset({"will", "promise", "promised", "swear", "bring", "tomorrow", "back", "come", "your", "with", "that",
                    "this", "there", "then", "here", "have", "from", "before", "after", "until"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commitment:
    """What `teller` (an id) agreed to in the event `made`, as its `nth` fact; `text` says it in words.

    `due_h` in game hours, None where no time was named. `weight` is 1 for the one it was promised to, less for others.
    `since_h`: when its state came about, where that is known.
    """

    made: int
    nth: int
    kind: str
    teller: str
    text: str
    about: str
    due_h: float | None
    weight: float
    state: State = "open"
    since_h: float | None = None

    def judged(self, event: StoredEvent, *, is_gift: bool, is_kept: bool) -> Commitment:
        """After `event`: kept or broken by it, or as it was. `is_gift`, `is_kept`: what kind of event it is."""
        now_h = None if event.time is None else event.time / SECONDS_PER_HOUR
        if self.state != "open" or event.seq <= self.made:
            return self
        if self._is_kept_by(event, now_h, is_gift=is_gift, is_kept=is_kept):
            return replace(self, state="kept", since_h=now_h)
        if now_h is not None and self.due_h is not None and now_h > self.due_h + GRACE_H:
            return replace(self, state="broken", since_h=now_h)
        return self

    def _is_kept_by(self, event: StoredEvent, now_h: float | None, *, is_gift: bool, is_kept: bool) -> bool:
        if self.teller not in (event.speaker or event.player, event.player):
            return False
        if event.speaker and event.speaker != self.teller:
            return False
        if is_kept:
            return True
        if self.kind == "appointment":
            return (
                now_h is not None and self.due_h is not None and self.due_h - EARLY_H <= now_h <= self.due_h + GRACE_H
            )
        said = event.text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        has_to_do = not _stems(self.about).isdisjoint(_stems(said))
        if is_gift:
            return has_to_do
        return "as promised" in said or "wie versprochen" in said or (has_to_do and bool(_DELIVERY.search(said)))

    def is_same_as(self, other: Commitment) -> bool:
        """Whether two rules read the same out of one sentence: one promise is kept or broken once."""
        if (self.made, self.teller, self.due_h) != (other.made, other.teller, other.due_h):
            return False
        return self.kind == other.kind and not _stems(self.about).isdisjoint(_stems(other.about))


def of_fact(fact: Fact, weight: float) -> Commitment:
    """What a fact of one of `KINDS` commits its teller to."""
    return Commitment(fact.seq, fact.nth, fact.kind, fact.teller, fact.text, fact.object, fact.due_h, weight)


def commitments(connection: Connection, path: VisiblePath, npc: str) -> list[Commitment]:
    """What `npc` was promised or promised itself, as each stands now; the newest first."""
    newest: dict[tuple[int, int], Commitment] = {}
    for reach in path:
        for row in connection.execute(
            """SELECT made, nth, kind, teller, text, about, due_h, weight, state, since_h FROM commitments
               WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC LIMIT ?""",
            (npc, reach.branch, reach.up_to, _NEWEST_ROWS - len(newest)),
        ):
            newest.setdefault((row[0], row[1]), Commitment(*row))
        if len(newest) >= _NEWEST_ROWS:
            break
    return list(newest.values())


def keep(connection: Connection, npc: str, branch: int, seq: int, changed: Iterable[Commitment]) -> None:
    """How these stand after the event `seq` of `branch`; the same again changes nothing."""
    connection.executemany(
        """INSERT OR REPLACE INTO commitments (
            npc, branch, seq, made, nth, kind, teller, text, about, due_h, weight, state, since_h
        ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (npc, branch, seq, one.made, one.nth, one.kind, one.teller, one.text, one.about, one.due_h, one.weight,
             one.state, one.since_h)
            for one in changed
        ],
    )  # fmt: skip


def _stems(text: str) -> frozenset[str]:
    # Five letters tell most words apart and take plurals and endings along.
    return frozenset(word[:5] for word in _WORD.findall(text.casefold()) if word not in _EMPTY)
