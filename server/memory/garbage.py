"""What no save and no present leads to any more: found on demand, deleted only on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.memory import recall_index
from server.memory.archive_layout import tables
from server.memory.branches import find_head
from server.memory.database import Connection
from server.memory.timeline import NO_END

_DERIVED = ("facts",)
"""Tables with branch and seq that archives leave out."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go: whole branches, and the rows of each table, by its name."""

    world: str
    branches: tuple[int, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)


def find(connection: Connection, world: str) -> Garbage:
    """What of `world` can be reached neither from its present nor from any of its saves."""
    kept = _kept(connection, world)
    rows: Counter[str] = Counter()
    for table in _tables(connection):
        for branch, up_to in kept.items():
            [(count,)] = connection.execute(f"SELECT count(*) FROM {table} {_BEYOND}", (branch, up_to))
            rows[table] += count
    empty = tuple(branch for branch, up_to in kept.items() if up_to < 0)
    return Garbage(world, empty, {table: count for table, count in rows.items() if count})


def collect(connection: Connection, world: str) -> Garbage:
    """Delete it, and say what it was."""
    found = find(connection, world)
    connection.execute("PRAGMA defer_foreign_keys = ON")
    for branch, up_to in _kept(connection, world).items():
        beyond = (branch, up_to)
        connection.execute(
            f"UPDATE requests SET event = NULL WHERE event IN (SELECT seq FROM events {_BEYOND})", beyond
        )
        # Events last: which they are is asked for here, and in what refers to them.
        for table in _tables(connection):
            if table != "events":
                connection.execute(f"DELETE FROM {table} {_BEYOND}", beyond)
        connection.execute(f"DELETE FROM events {_BEYOND}", beyond)
    connection.executemany("DELETE FROM branches WHERE branch = ?", [(branch,) for branch in found.branches])
    if found.rows:
        connection.execute("UPDATE recall_version SET version = 0")
        recall_index.catch_up(connection)
    return found


_BEYOND = "WHERE branch = ? AND seq > ?"


def _tables(connection: Connection) -> list[str]:
    """Tables whose rows go with the stretch of a branch that they are in; marks are what keeps it."""
    return [name for name, table in tables(connection).items() if table.has("seq") and name != "marks"] + list(_DERIVED)


def _kept(connection: Connection, world: str) -> dict[int, int]:
    """How far each branch is seen from the present or from a save; -1 where nothing of it is."""
    rows = connection.execute("SELECT branch, parent, parent_seq FROM branches WHERE world = ?", (world,)).fetchall()
    kept = {branch: -1 for branch, _, _ in rows}
    head = find_head(connection, world)
    if head is not None:
        kept[head.branch] = NO_END
    for branch, seq in connection.execute("SELECT branch, seq FROM marks WHERE world = ?", (world,)):
        kept[branch] = max(kept[branch], seq)
    for branch, parent, parent_seq in sorted(rows, reverse=True):  # a branch is older than those that begin in it
        if parent is not None and kept[branch] >= 0:
            kept[parent] = max(kept[parent], parent_seq)
    return kept
