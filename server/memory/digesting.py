"""Rows of the digest: what an NPC has not digested yet, and what came of it.

Work that was begun before a load writes nothing: the head it saw is not the head any more.
"""

from __future__ import annotations

from collections import defaultdict

from server.memory import commitments, standings
from server.memory.branches import find_head, seen_from
from server.memory.database import Connection
from server.memory.digest import Batch, Digest, Witnessed
from server.memory.facts import Fact, known
from server.memory.records import Head, StoredEvent
from server.memory.timeline import Reach, VisiblePath

_UNDIGESTED = """
    SELECT e.seq, e.kind, e.text, e.speaker, e.speaker_name, e.player, e.scene, e.place, e.time, e.wall_s, e.importance,
        w.how, 't' || e.turn, e.claim,
        EXISTS (SELECT 1 FROM turns WHERE asked_by = e.seq AND npc = w.npc),
        NOT EXISTS (SELECT 1 FROM witnesses AS o WHERE o.npc <> w.npc AND o.branch = w.branch AND o.seq = w.seq)
    FROM witnesses AS w CROSS JOIN events AS e ON e.seq = w.seq
    WHERE w.npc = ? AND w.branch = ? AND w.seq > ? AND w.seq <= ?
    ORDER BY w.seq LIMIT ?
"""


def undigested(connection: Connection, world: str, npc: str, limit: int) -> Batch | None:
    """The oldest `limit` events that `npc` has not digested, with how things stood before; None where there are none.

    Events whose facts are not read out yet wait.
    """
    head = find_head(connection, world)
    if head is None:
        return None
    path = seen_from(connection, head.branch)
    done = _done(connection, path, npc)
    [(readable,)] = connection.execute("SELECT read_to FROM facts_progress")
    rows: list[tuple[int, tuple[object, ...]]] = []
    for reach in reversed(path):
        window = (npc, reach.branch, done, min(reach.up_to, readable), limit - len(rows))
        rows += [(reach.branch, row) for row in connection.execute(_UNDIGESTED, window)]
        if len(rows) >= limit:
            break
    return _batch(connection, path, head, npc, done, rows) if rows else None


def _batch(
    connection: Connection,
    path: VisiblePath,
    head: Head,
    npc: str,
    done: int,
    rows: list[tuple[int, tuple[object, ...]]],
) -> Batch:
    found: dict[int, list[Fact]] = defaultdict(list)
    for fact in known(connection, path, npc, after=done, limit=64 * len(rows)):
        found[fact.seq].insert(0, fact)
    happened = []
    for branch, row in rows:
        event = StoredEvent(*row[:13], bool(row[13]))  # type: ignore[arg-type,call-arg]  # the record's columns, in its order
        happened.append(Witnessed(branch, event, bool(row[14]), bool(row[15]), tuple(found[event.seq])))
    # As things stood at the last event that was digested: later rows may be there from another branch's work.
    before = tuple(Reach(reach.branch, min(reach.up_to, done)) for reach in path)
    others = {name for each in happened for name in (each.event.speaker, each.event.player) if name}
    agreed = tuple(commitments.commitments(connection, before, npc))
    others |= {one.teller for one in agreed}
    return Batch(
        head=head,
        npc=npc,
        happened=tuple(happened),
        regards={other: standings.regard(connection, before, npc, other) for other in others},
        feeling=standings.feeling(connection, before, npc),
        agreed=agreed,
    )


def keep_digest(connection: Connection, world: str, batch: Batch, digest: Digest) -> bool:
    """Write what came of `batch`; nothing, and False, where the world went back to a save meanwhile."""
    if find_head(connection, world) != batch.head:
        return False
    for change in digest.changes:
        standings.keep_regards(connection, batch.npc, change.branch, change.seq, change.regards)
        commitments.keep(connection, batch.npc, change.branch, change.seq, change.agreed)
        if change.feeling is not None:
            standings.keep_feeling(connection, batch.npc, change.branch, change.seq, change.feeling)
    for branch, seq in digest.up_to.items():
        connection.execute(
            """INSERT INTO digested (npc, branch, seq) VALUES (?, ?, ?)
               ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)""",
            (batch.npc, branch, seq),
        )
    return True


def forget_derived(connection: Connection, world: str) -> None:
    """Drop what was derived in `world`, in all its branches: it is made again from the log."""
    for table in ("standings", "moods", "commitments", "summaries", "diaries", "digested"):
        connection.execute(
            f"DELETE FROM {table} WHERE branch IN (SELECT branch FROM branches WHERE world = ?)", (world,)
        )


def who_witnessed(connection: Connection, path: VisiblePath) -> list[str]:
    """Everyone who witnessed anything along `path`."""
    found = {
        npc
        for reach in path
        for (npc,) in connection.execute(
            "SELECT DISTINCT npc FROM witnesses WHERE branch = ? AND seq <= ?", (reach.branch, reach.up_to)
        )
    }
    return sorted(found)


def _done(connection: Connection, path: VisiblePath, npc: str) -> int:
    """The newest event seen from here up to which everything was digested."""
    for reach in path:
        row = connection.execute(
            "SELECT seq FROM digested WHERE npc = ? AND branch = ?", (npc, reach.branch)
        ).fetchone()
        if row:
            return min(int(row[0]), reach.up_to)
    return 0
