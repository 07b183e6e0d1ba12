"""Rows of events, and of who witnessed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.errors import StoreError
from server.memory import recall_index
from server.memory.branches import ensure_head, next_seq
from server.memory.database import Connection
from server.memory.records import NewEvent, StoredEvent, Witnessing
from server.memory.timeline import NO_END, VisiblePath

_INSERT = """
    INSERT INTO events (
        seq, branch, kind, text, speaker, speaker_name, player, scene, place, time, wall_s, importance, turn, claim
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_WITNESSED = """
    SELECT {columns}
    FROM witnesses AS w CROSS JOIN events AS e ON e.seq = w.seq
    WHERE w.npc = ? AND w.branch = ? AND w.seq > ? AND w.seq <= ?
    ORDER BY w.seq DESC LIMIT ?
"""
COLUMNS = (
    "e.seq, e.kind, e.text, e.speaker, e.speaker_name, e.player, e.scene, e.place, e.time, e.wall_s, "
    "e.importance, w.how, 't' || e.turn, e.claim"
)
_WHOLE = _WITNESSED.format(columns=COLUMNS)
_TEXTS = _WITNESSED.format(columns="e.seq, e.text")


def turn_number(turn: str) -> int:
    """The row of a turn's id.

    Raises:
        StoreError: it is not the id of a turn.
    """
    digits = turn.removeprefix("t")
    if not (turn.startswith("t") and digits.isascii() and digits.isdigit()):
        raise StoreError(f"{turn!r} is not the id of a turn.")
    return int(digits)


def add(connection: Connection, branch: int, event: NewEvent, how: Mapping[str, Witnessing]) -> int:
    """Write an event with its witnesses, each with how it learnt of it. Returns the event's seq."""
    seq = next_seq(connection)
    turn = None if event.turn is None else turn_number(event.turn)
    what = (event.kind, event.text, event.speaker, event.speaker_name, event.player, event.scene, event.place)
    connection.execute(
        _INSERT, (seq, branch, *what, event.time, event.wall_s, event.importance, turn, int(event.claim))
    )
    connection.executemany(
        "INSERT INTO witnesses (npc, branch, seq, how) VALUES (?, ?, ?, ?)",
        [(npc, branch, seq, way) for npc, way in how.items()],
    )
    recall_index.add_event(connection, branch, seq, recall_index.signed(event.speaker_name, event.text), how)
    return seq


def add_all(connection: Connection, world: str, happened: Sequence[NewEvent]) -> tuple[int, ...]:
    """Write events in their order at the head of `world`. Returns their seqs."""
    branch = ensure_head(connection, world).branch
    return tuple(add(connection, branch, event, dict.fromkeys(event.witnesses, event.how)) for event in happened)


def newest_witnessed(
    connection: Connection, path: VisiblePath, npc: str, *, limit: int, after: int = 0, before: int | None = None
) -> list[StoredEvent]:
    """What `npc` witnessed along `path`, with `after` < seq < `before`: the newest `limit`, newest first."""
    rows = _newest(connection, _WHOLE, path, npc, limit, after, before)
    return [as_event(row) for row in rows]


def as_event(row: Sequence[Any]) -> StoredEvent:
    """An event from its `COLUMNS`."""
    return StoredEvent(*(*row[:-1], bool(row[-1])))


def newest_texts(
    connection: Connection, path: VisiblePath, npc: str, *, limit: int, before: int | None = None
) -> list[tuple[int, str]]:
    """Seq and text of what `newest_witnessed` finds, at a fifth of its time: for a look at many."""
    return _newest(connection, _TEXTS, path, npc, limit, 0, before)


def _newest(
    connection: Connection, query: str, path: VisiblePath, npc: str, limit: int, after: int, before: int | None
) -> list[tuple[Any, ...]]:
    last = NO_END if before is None else before - 1
    found: list[tuple[Any, ...]] = []
    for reach in path:
        if len(found) >= limit or reach.up_to <= after:
            break
        window = (after, min(last, reach.up_to), limit - len(found))
        found += connection.execute(query, (npc, reach.branch, *window))
    return found
