"""Rows of facts: what the rules read out of events. All of them can be made again from the log.

A fact belongs to its event: whoever witnessed that event knows it, and it is visible wherever the event is. So what an
undone future taught is gone with it, and making a fact needs no epoch: the same event always gives the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from server.memory import recall_index
from server.memory.database import Connection
from server.memory.extract import FUNCTIONAL, VERSION, NewFact, extract
from server.memory.records import Witnessing
from server.memory.timeline import VisiblePath

_UNREAD = """
    SELECT seq, branch, kind, text, speaker, speaker_name, time FROM events WHERE seq > ? ORDER BY seq LIMIT ?
"""
_INSERT = """
    INSERT OR REPLACE INTO facts (
        seq, nth, branch, kind, subject, relation, object, text, teller, importance, when_s, due_h
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
COLUMNS = (
    "f.seq, f.nth, f.kind, f.subject, f.relation, f.object, f.text, f.teller, f.importance, f.when_s, f.due_h, w.how"
)
_KNOWN = f"""
    SELECT {COLUMNS}
    FROM witnesses AS w CROSS JOIN facts AS f ON f.seq = w.seq
    WHERE w.npc = ? AND w.branch = ? AND w.seq > ? AND w.seq <= ? AND (? OR f.kind IN (SELECT value FROM json_each(?)))
    ORDER BY w.seq DESC, f.nth DESC LIMIT ?
"""
_DUE = f"""
    SELECT {COLUMNS}
    FROM facts AS f CROSS JOIN witnesses AS w ON w.npc = ? AND w.branch = f.branch AND w.seq = f.seq
    WHERE f.branch = ? AND f.seq <= ? AND f.due_h > ? AND f.due_h <= ?
    ORDER BY f.due_h LIMIT ?
"""

_ABOUT = f"""
    SELECT f.branch, {COLUMNS}
    FROM facts AS f CROSS JOIN witnesses AS w ON w.npc = ? AND w.branch = f.branch AND w.seq = f.seq
    WHERE f.subject = ? COLLATE NOCASE AND f.relation = ? ORDER BY f.seq DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact as one NPC knows it.

    `seq` is its event's, `nth` its place among that event's facts, from 1; `teller` the id of who said it, empty where
    it simply happened; `how` the NPC came by the event. Times as in `NewFact`.
    """

    seq: int
    nth: int
    kind: str
    subject: str
    relation: str
    object: str
    text: str
    teller: str
    importance: float
    when_s: float | None
    due_h: float | None
    how: Witnessing

    @property
    def told_of(self) -> str:
        """What a question finds it by."""
        return f"{self.text} {self.relation}"


def extract_new(connection: Connection, limit: int, weekdays: tuple[str, ...] = ()) -> int:
    """Read the next `limit` events that the present rules have not read, in every world. Returns how many it read.

    The first call with newer rules drops all rows of the older ones and begins anew. Running it again changes nothing.
    """
    [(version, read_to)] = connection.execute("SELECT extractor, read_to FROM facts_progress")
    if version != VERSION:
        connection.execute("DELETE FROM facts")
        read_to = 0
    rows = connection.execute(_UNREAD, (read_to, limit)).fetchall()
    for seq, branch, kind, text, speaker, name, time_s in rows:
        found = extract(text, speaker=name or speaker, kind=kind, time_s=time_s, weekdays=weekdays)
        _keep(connection, seq, branch, speaker, found)
        recall_index.add_facts(connection, branch, seq, [f"{fact.text} {fact.relation}" for fact in found])
    if rows or version != VERSION:
        newest = rows[-1][0] if rows else read_to
        connection.execute("UPDATE facts_progress SET extractor = ?, read_to = ?", (VERSION, newest))
    return len(rows)


def _keep(connection: Connection, seq: int, branch: int, teller: str, found: Iterable[NewFact]) -> None:
    connection.executemany(
        _INSERT,
        [
            (seq, nth, branch, one.kind, one.subject, one.relation, one.object, one.text, teller, one.importance,
             one.when_s, one.due_h)
            for nth, one in enumerate(found, 1)
        ],
    )  # fmt: skip


def known(
    connection: Connection,
    path: VisiblePath,
    npc: str,
    *,
    limit: int,
    after: int = 0,
    kinds: Iterable[str] | None = None,
) -> list[Fact]:
    """Facts that `npc` knows along `path` from events after seq `after`: the newest `limit`, newest first.

    With `kinds`, of these alone. Facts that were superseded are among them: see `current`.
    """
    wanted = json.dumps(list(kinds or ()))
    found: list[Fact] = []
    for reach in path:
        if len(found) >= limit or reach.up_to <= after:
            break
        window = (npc, reach.branch, after, reach.up_to, kinds is None, wanted, limit - len(found))
        found += [Fact(*row) for row in connection.execute(_KNOWN, window)]
    return found


def current(newest_first: Iterable[Fact]) -> list[Fact]:
    """Those that still hold, newest first: of a relation that holds once, the newest; of what was said twice, one."""
    seen: set[tuple[str, ...]] = set()
    holding: list[Fact] = []
    for fact in newest_first:
        key = about(fact)
        if key not in seen:
            seen.add(key)
            holding.append(fact)
    return holding


def about(fact: Fact) -> tuple[str, ...]:
    """Equal for facts of which only one can hold."""
    subject = fact.subject.casefold()
    if fact.relation in FUNCTIONAL:
        return subject, fact.relation
    return subject, fact.relation, fact.object.casefold()


def all_about(connection: Connection, path: VisiblePath, npc: str, fact: Fact, limit: int = 8) -> list[Fact]:
    """What `npc` knows of the same thing along `path`, newest first: of these the first holds."""
    ends = {reach.branch: reach.up_to for reach in path}
    rows = connection.execute(_ABOUT, (npc, fact.subject, fact.relation, 4 * limit))
    return [Fact(*row) for branch, *row in rows if row[0] <= ends.get(branch, -1)][:limit]


def due(
    connection: Connection, path: VisiblePath, npc: str, *, after_h: float, up_to_h: float, limit: int
) -> list[Fact]:
    """Promises, appointments and debts that `npc` knows and that fall due in `after_h` < hours ≤ `up_to_h`."""
    found: list[Fact] = []
    for reach in path:
        window = (npc, reach.branch, reach.up_to, after_h, up_to_h, limit)
        found += [Fact(*row) for row in connection.execute(_DUE, window)]
    return sorted(found, key=lambda fact: (fact.due_h or 0.0, fact.seq))[:limit]
