"""Rows of the timeline: worlds, their branches, and the counter that orders everything."""

from __future__ import annotations

import time

from server.memory.database import Connection
from server.memory.records import Head
from server.memory.timeline import Branch, VisiblePath, visible_path

_ANCESTRY = """
    WITH RECURSIVE line (branch, parent, parent_seq) AS (
        SELECT branch, parent, parent_seq FROM branches WHERE branch = ?
        UNION ALL
        SELECT older.branch, older.parent, older.parent_seq
        FROM line CROSS JOIN branches AS older ON older.branch = line.parent
    )
    SELECT branch, parent, parent_seq FROM line
"""


def next_seq(connection: Connection) -> int:
    """The next place in the order of everything."""
    [(seq,)] = connection.execute("UPDATE counter SET seq = seq + 1 WHERE only_row = 1 RETURNING seq")
    return int(seq)


def find_head(connection: Connection, world: str) -> Head | None:
    """The head of `world`; None where the world does not exist yet."""
    row = connection.execute(
        "SELECT branch, epoch FROM worlds JOIN branches ON branch = head WHERE worlds.world = ?", (world,)
    ).fetchone()
    return Head(*row) if row else None


def ensure_head(connection: Connection, world: str) -> Head:
    """The head of `world`, which is made where it does not exist yet."""
    return find_head(connection, world) or _open_branch(connection, world, None, 0, epoch=0)


class Paths:
    """What is visible in each world. Kept until the head moves: what a branch shows of its ancestors never changes."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, VisiblePath]] = {}

    def seen(self, connection: Connection, world: str) -> VisiblePath:
        """What is visible in `world` now; nothing in a world that does not exist. Called from one thread."""
        head = find_head(connection, world)
        if head is None:
            return ()
        branch, path = self._kept.get(world, (None, ()))
        if branch != head.branch:
            path = seen_from(connection, head.branch)
            self._kept[world] = head.branch, path
        return path


def seen_from(connection: Connection, branch: int) -> VisiblePath:
    """What is visible from `branch`."""
    ancestry = (Branch(*row) for row in connection.execute(_ANCESTRY, (branch,)))
    return visible_path(branch, {ancestor.branch: ancestor for ancestor in ancestry})


def open_branch(connection: Connection, world: str, parent: int | None, parent_seq: int) -> Head:
    """Open a branch after `parent_seq` in `parent`, or an empty one without, and make it the head."""
    return _open_branch(connection, world, parent, parent_seq, epoch=ensure_head(connection, world).epoch + 1)


def _open_branch(connection: Connection, world: str, parent: int | None, parent_seq: int, epoch: int) -> Head:
    [(branch,)] = connection.execute(
        "INSERT INTO branches (world, parent, parent_seq, epoch, wall_s) VALUES (?, ?, ?, ?, ?) RETURNING branch",
        (world, parent, parent_seq, epoch, time.time()),
    )
    connection.execute(
        "INSERT INTO worlds (world, head) VALUES (?, ?) ON CONFLICT DO UPDATE SET head = excluded.head", (world, branch)
    )
    return Head(branch, epoch)
