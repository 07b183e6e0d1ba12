"""Rows of marks: where in the timeline a game was saved, and how a load finds its way back there."""

from __future__ import annotations

import time

from server.errors import UnknownSave
from server.memory.branches import ensure_head, next_seq, open_branch, seen_from
from server.memory.database import Connection
from server.memory.records import Head, SavePoint
from server.memory.timeline import VisiblePath

SAME_MOMENT_S = 1.0
"""Game times that differ by less are one moment: games round them."""
NEAR_S = 3_600.0
"""A save may be this much older than the first time that a game tells after it was loaded."""
MAX_NEAR = 3

_HINT = "Send `save` with it to adopt the present memory for it, or `load` with null for a new game."


def mark(connection: Connection, world: str, save: str | SavePoint, game_time: float | None) -> None:
    """Mark the present as `save`; a mark of that name moves here."""
    head = ensure_head(connection, world)
    name, character = (save, "") if isinstance(save, str) else (save.name, save.character)
    connection.execute(
        "INSERT OR REPLACE INTO marks (world, save, branch, seq, wall_s, time, character) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (world, name, head.branch, next_seq(connection), time.time(), game_time, character),
    )


def find(connection: Connection, world: str, save: str | SavePoint) -> tuple[int, int]:
    """Branch and seq of the mark. A point without `count` is the newest of its character and time.

    Raises:
        UnknownSave: `world` has no such mark.
    """
    if isinstance(save, SavePoint) and save.count is None:
        row = connection.execute(
            """SELECT branch, seq FROM marks
               WHERE world = ? AND character = ? AND abs(time - ?) <= ? ORDER BY seq DESC LIMIT 1""",
            (world, save.character, save.time, SAME_MOMENT_S),
        ).fetchone()
    else:
        name = save if isinstance(save, str) else save.name
        row = connection.execute("SELECT branch, seq FROM marks WHERE world = ? AND save = ?", (world, name)).fetchone()
    if row is None:
        name = save if isinstance(save, str) else save.name
        raise UnknownSave(f"The save {name!r} is not known in the world {world!r}.", _HINT)
    return row[0], row[1]


def near(connection: Connection, world: str, game_time: float) -> list[str]:
    """Saves that a game may have loaded which says that it is `game_time` now: the likeliest first."""
    rows = connection.execute(
        "SELECT save FROM marks WHERE world = ? AND time BETWEEN ? AND ? ORDER BY abs(time - ?), seq DESC LIMIT ?",
        (world, game_time - NEAR_S, game_time + SAME_MOMENT_S, game_time, MAX_NEAR),
    )
    return [save for (save,) in rows]


def named(connection: Connection, world: str, path: VisiblePath, prefix: str) -> list[tuple[str, bool]]:
    """The saves of `world` whose names begin with `prefix`, oldest first, and whether each lies on `path`."""
    rows = connection.execute(
        "SELECT save, branch, seq FROM marks WHERE world = ? AND substr(save, 1, ?) = ? ORDER BY seq",
        (world, len(prefix), prefix),
    )
    reach = {each.branch: each.up_to for each in path}
    return [(save, seq <= reach.get(branch, -1)) for save, branch, seq in rows]


def move_head(connection: Connection, world: str, save: str | SavePoint | None) -> Head:
    """Open a branch at the mark `save`, or an empty one, and make it the head. A point of nobody is a game time.

    Raises:
        UnknownSave: `world` has no such mark.
    """
    if save is None:
        return open_branch(connection, world, None, 0)
    if isinstance(save, SavePoint) and not save.character:
        return rewind(connection, world, save.time)
    return open_branch(connection, world, *find(connection, world, save))


def rewind(connection: Connection, world: str, game_time: float) -> Head:
    """Go back to the last moment that was not after `game_time`: what happened later stays on its branch."""
    head = ensure_head(connection, world)
    path = seen_from(connection, head.branch)
    kept = _newest_until(connection, path, game_time + SAME_MOMENT_S)
    later = _first_later(connection, path, game_time + SAME_MOMENT_S, kept)
    if later is None:
        return head
    branch, seq = later
    return open_branch(connection, world, branch, seq - 1)


def newest_time(connection: Connection, path: VisiblePath) -> float | None:
    """The game time of the newest visible event that has one."""
    for reach in path:
        row = connection.execute(
            """SELECT time FROM events WHERE branch = ? AND seq <= ? AND time IS NOT NULL ORDER BY seq DESC LIMIT 1""",
            (reach.branch, reach.up_to),
        ).fetchone()
        if row:
            return float(row[0])
    return None


def _newest_until(connection: Connection, path: VisiblePath, game_time: float) -> int:
    for reach in path:
        row = connection.execute(
            "SELECT seq FROM events WHERE branch = ? AND seq <= ? AND time <= ? ORDER BY seq DESC LIMIT 1",
            (reach.branch, reach.up_to, game_time),
        ).fetchone()
        if row:
            return int(row[0])
    return 0


def _first_later(connection: Connection, path: VisiblePath, game_time: float, after: int) -> tuple[int, int] | None:
    """Branch and seq of the first visible event after `after` that is later than `game_time`."""
    for reach in reversed(path):
        row = connection.execute(
            "SELECT seq FROM events WHERE branch = ? AND seq > ? AND seq <= ? AND time > ? ORDER BY seq LIMIT 1",
            (reach.branch, after, reach.up_to, game_time),
        ).fetchone()
        if row:
            return reach.branch, int(row[0])
    return None
