"""Rows of how an NPC stands to others, and of its mood.

Each change is a row of its own, at the place of the event it follows from: it holds wherever that event is seen, so a
load takes it back. The newest one that is seen counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from server.memory.database import Connection
from server.memory.feelings import Feeling, Regard
from server.memory.timeline import VisiblePath

_REGARD = "other, trust, warmth, respect, fear, calls, called, time"


def regard(connection: Connection, path: VisiblePath, npc: str, other: str) -> Regard:
    """How `npc` stood to `other` when that last changed; indifferent where nothing has moved it."""
    for reach in path:
        row = connection.execute(
            f"""SELECT {_REGARD} FROM standings INDEXED BY standings_of
                WHERE npc = ? AND branch = ? AND other = ? AND seq <= ? ORDER BY seq DESC LIMIT 1""",
            (npc, reach.branch, other, reach.up_to),
        ).fetchone()
        if row:
            return Regard(*row)
    return Regard(other)


def regards(connection: Connection, path: VisiblePath, npc: str) -> tuple[Regard, ...]:
    """How `npc` stands to everyone who has moved it, ordered by who that is."""
    newest: dict[str, Regard] = {}
    for reach in path:
        for row in connection.execute(
            f"SELECT {_REGARD} FROM standings WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC",
            (npc, reach.branch, reach.up_to),
        ):
            newest.setdefault(row[0], Regard(*row))
    return tuple(newest[other] for other in sorted(newest))


def feeling(connection: Connection, path: VisiblePath, npc: str) -> Feeling:
    """The mood of `npc` when it last changed."""
    for reach in path:
        row = connection.execute(
            """SELECT label, valence, arousal, time FROM moods
               WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1""",
            (npc, reach.branch, reach.up_to),
        ).fetchone()
        if row:
            return Feeling(*row)
    return Feeling()


def keep_regards(connection: Connection, npc: str, branch: int, seq: int, moved: Iterable[Regard]) -> None:
    """How `npc` stands to these after the event `seq` of `branch`; the same again changes nothing."""
    connection.executemany(
        f"""INSERT OR REPLACE INTO standings (npc, branch, seq, note, {_REGARD})
            VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (npc, branch, seq, one.other, one.trust, one.warmth, one.respect, one.fear, one.calls, one.called, one.time)
            for one in moved
        ],
    )


def keep_feeling(connection: Connection, npc: str, branch: int, seq: int, felt: Feeling) -> None:
    """The mood of `npc` after the event `seq` of `branch`."""
    connection.execute(
        "INSERT OR REPLACE INTO moods (npc, branch, seq, label, valence, arousal, time) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (npc, branch, seq, felt.label, felt.valence, felt.arousal, felt.time),
    )
