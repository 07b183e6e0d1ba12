"""A world's timeline as a tree to look at: its branches, what is in them, and its saves."""

from __future__ import annotations

from dataclasses import dataclass

from server.errors import StoreError
from server.memory.branches import find_head
from server.memory.database import Connection


@dataclass(frozen=True, slots=True)
class Save:
    """A mark. `time` is the game's, in seconds; `wall_s` Unix seconds."""

    save: str
    branch: int
    seq: int
    wall_s: float
    time: float | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A branch and what was written in it. Times are the game's, in seconds; None where no event has one."""

    branch: int
    parent: int | None
    parent_seq: int
    epoch: int
    wall_s: float
    events: int
    turns: int
    first_time: float | None
    last_time: float | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """All branches of a world, oldest first, its saves in the order of their making, and the branch it goes on in."""

    world: str
    head: int
    branches: tuple[Stretch, ...]
    saves: tuple[Save, ...]


def worlds(connection: Connection) -> list[str]:
    """The names of all worlds."""
    return [world for (world,) in connection.execute("SELECT world FROM worlds ORDER BY world")]


def timeline(connection: Connection, world: str) -> Timeline:
    """The timeline of `world`.

    Raises:
        StoreError: there is no such world.
    """
    head = find_head(connection, world)
    if head is None:
        known = ", ".join(worlds(connection)) or "none yet"
        raise StoreError(f"There is no world {world!r}.", f"There are: {known}.")
    saves = connection.execute(
        "SELECT save, branch, seq, wall_s, time FROM marks WHERE world = ? ORDER BY seq", (world,)
    )
    branches = connection.execute(
        """SELECT b.branch, b.parent, b.parent_seq, b.epoch, b.wall_s, count(e.seq),
               (SELECT count(*) FROM turns AS t WHERE t.branch = b.branch), min(e.time), max(e.time)
           FROM branches AS b LEFT JOIN events AS e ON e.branch = b.branch
           WHERE b.world = ? GROUP BY b.branch ORDER BY b.branch""",
        (world,),
    )
    return Timeline(world, head.branch, tuple(Stretch(*row) for row in branches), tuple(Save(*row) for row in saves))
