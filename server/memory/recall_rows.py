"""What recall reads of the log: events by their seqs and their neighbours, as one NPC knows them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from server.memory.database import Connection
from server.memory.events import COLUMNS as EVENT_COLUMNS
from server.memory.events import as_event
from server.memory.facts import COLUMNS as FACT_COLUMNS
from server.memory.facts import Fact
from server.memory.records import StoredEvent
from server.memory.timeline import VisiblePath

_AROUND = """
    SELECT w.seq, w.branch,
        (SELECT max(p.seq) FROM witnesses AS p WHERE p.npc = w.npc AND p.branch = w.branch AND p.seq < w.seq),
        (SELECT min(n.seq) FROM witnesses AS n WHERE n.npc = w.npc AND n.branch = w.branch AND n.seq > w.seq)
    FROM json_each(?) AS asked CROSS JOIN events AS e ON e.seq = asked.value
        CROSS JOIN witnesses AS w ON w.npc = ? AND w.branch = e.branch AND w.seq = e.seq
"""
_EVENTS = f"""
    SELECT e.branch, {EVENT_COLUMNS}
    FROM json_each(?) AS asked CROSS JOIN events AS e ON e.seq = asked.value
        CROSS JOIN witnesses AS w ON w.npc = ? AND w.branch = e.branch AND w.seq = e.seq
"""
_FACTS = f"""
    SELECT {FACT_COLUMNS}
    FROM json_each(?) AS asked CROSS JOIN facts AS f ON f.seq = asked.value
        CROSS JOIN witnesses AS w ON w.npc = ? AND w.branch = f.branch AND w.seq = f.seq
"""


@dataclass(slots=True)
class Known:
    """Events that an NPC knows, by seq, with their facts; `before` and `after` are an event's neighbours among them.

    `asked` are the seqs that were asked for, known or not.
    """

    events: dict[int, StoredEvent] = field(default_factory=dict)
    facts: dict[int, list[Fact]] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)
    after: dict[int, int] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)


def read_around(
    connection: Connection, path: VisiblePath, npc: str, seqs: Collection[int], last: int, known: Known
) -> None:
    """Add to `known` the events at `seqs`, each with what `npc` witnessed just before and just after it along `path`.

    Nothing with a seq after `last` is read. What is not visible is left out, whatever `seqs` say.
    """
    ends = {reach.branch: min(reach.up_to, last) for reach in path}
    fresh = [seq for seq in seqs if seq not in known.asked]
    if not fresh:
        return
    known.asked.update(fresh)
    wanted: set[int] = set()
    for seq, branch, before, after in connection.execute(_AROUND, (json.dumps(fresh), npc)):
        if seq > ends.get(branch, -1):
            continue
        wanted.add(seq)
        if before is not None:
            known.before[seq], known.after[before] = before, seq
            wanted.add(before)
        if after is not None and after <= ends[branch]:
            known.after[seq], known.before[after] = after, seq
            wanted.add(after)
    _read(connection, npc, wanted - known.events.keys(), known, ends)


def _read(connection: Connection, npc: str, seqs: Iterable[int], known: Known, ends: dict[int, int]) -> None:
    asked = json.dumps(sorted(seqs))
    for branch, *row in connection.execute(_EVENTS, (asked, npc)):
        if row[0] <= ends.get(branch, -1):
            known.events[row[0]] = as_event(row)
    for row in connection.execute(_FACTS, (asked, npc)):
        if row[0] in known.events:
            known.facts.setdefault(row[0], []).append(Fact(*row))
