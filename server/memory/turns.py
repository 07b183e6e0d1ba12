"""Rows of turns: opened with the event that asks for them, ended once with what was heard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import StoreError
from server.memory import events, sessions
from server.memory.branches import ensure_head, next_seq
from server.memory.database import Connection
from server.memory.events import turn_number
from server.memory.records import NewEvent, Recorded, RequestKey, TurnRecord, Witnessing
from server.memory.timeline import VisiblePath

_END = """
    UPDATE turns SET state = ?, seq = ?, player = ?, text = ?, heard = ?, written = ?, fingerprint = ?, token_ids = ?,
        memory_ids = ?, lore_ids = ?, read_to = ?, trace = ?
    WHERE turn = ?
"""

_WRITTEN = """
    SELECT 't' || turn, npc, player, state, text, heard, written, fingerprint, token_ids, memory_ids, lore_ids, read_to,
        trace
    FROM turns WHERE npc = ? AND branch = ? AND seq <= ? AND written <> '[]'
    ORDER BY seq DESC LIMIT ?
"""


def record(
    connection: Connection,
    world: str,
    session: str,
    event: NewEvent | None,
    speakers: Sequence[str],
    key: RequestKey | None,
    why: str | None,
) -> Recorded:
    """Write an event and open a turn for each speaker; a request that was answered before changes nothing."""
    if before := sessions.repeated(connection, key):
        return before
    branch = ensure_head(connection, world).branch
    seq = None
    if event is not None:
        seq = events.add(connection, branch, event, {**dict.fromkeys(event.witnesses, event.how), **event.each})
    opened = tuple((_open(connection, branch, npc, session, seq), npc) for npc in speakers)
    recorded = Recorded(seq, opened, why)
    sessions.store_answer(connection, key, recorded)
    return recorded


def _open(connection: Connection, branch: int, npc: str, session: str, asked_by: int | None) -> str:
    [(turn,)] = connection.execute(
        "INSERT INTO turns (branch, npc, session, asked_by) VALUES (?, ?, ?, ?) RETURNING turn",
        (branch, npc, session, asked_by),
    )
    return f"t{turn}"


def commit(connection: Connection, ended: TurnRecord, line: NewEvent | None) -> int | None:
    """End a turn in the branch it was opened in. Returns the seq of the heard line's event.

    Raises:
        StoreError: there is no such turn of this NPC, or it has ended.
    """
    number = turn_number(ended.turn)
    row = connection.execute("SELECT branch, npc, state FROM turns WHERE turn = ?", (number,)).fetchone()
    if row is None or row[1] != ended.npc:
        raise StoreError(f"There is no turn {ended.turn} of {ended.npc}.")
    branch, _, state = row
    if state != "open":
        raise StoreError(f"Turn {ended.turn} has ended already, as {state}.")
    seq = None
    if line is not None:
        # Whoever else hears it, the NPC knows what it said itself.
        how: dict[str, Witnessing] = {**dict.fromkeys(line.witnesses, line.how), **line.each, ended.npc: "spoke"}
        seq = events.add(connection, branch, line, how)
    _end(connection, number, next_seq(connection) if seq is None else seq, ended)
    return seq


def _end(connection: Connection, number: int, seq: int, ended: TurnRecord) -> None:
    connection.execute(
        _END,
        (
            *(ended.reason, seq, ended.player, ended.text, ended.heard, _json(ended.written), ended.fingerprint),
            *(_json(ended.token_ids), _json(ended.memory_ids), _json(ended.lore_ids), ended.read_to),
            *(_json(ended.trace), number),
        ),
    )


def end_open(connection: Connection) -> int:
    """End every open turn as failed, with nothing heard: no turn outlives its process. Returns how many there were."""
    left = connection.execute("SELECT turn FROM turns WHERE state = 'open' ORDER BY turn").fetchall()
    for (turn,) in left:
        connection.execute("UPDATE turns SET state = 'failed', seq = ? WHERE turn = ?", (next_seq(connection), turn))
    return len(left)


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A turn as it is kept, for a look back. `asked` is what it answers; `trace` is empty where it never ended."""

    turn: str
    world: str
    npc: str
    state: str
    asked: str
    heard: str
    trace: dict[str, Any]


def find(connection: Connection, turn: str) -> KeptTurn:
    """The turn of this id, or with `last` the newest.

    Raises:
        StoreError: there is no such turn.
    """
    number = None if turn == "last" else turn_number(turn)
    row = connection.execute(
        """SELECT 't' || t.turn, b.world, t.npc, t.state, coalesce(e.text, ''), t.heard, t.trace
            FROM turns AS t JOIN branches AS b USING (branch) LEFT JOIN events AS e ON e.seq = t.asked_by
            WHERE ?1 IS NULL OR t.turn = ?1 ORDER BY t.turn DESC LIMIT 1""",
        (number,),
    ).fetchone()
    if row is None:
        raise StoreError(f"There is no turn {turn}.", "The id of a turn is in `turn.start` and `turn.end`.")
    which, world, npc, state, asked, heard, trace = row
    return KeptTurn(which, world, npc, state, asked, heard, json.loads(trace))


def newest_written(connection: Connection, path: VisiblePath, npc: str, limit: int) -> list[TurnRecord]:
    """Turns of `npc` along `path` that wrote something into its prompt: the newest `limit`, newest first."""
    found: list[TurnRecord] = []
    for reach in path:
        if len(found) >= limit:
            break
        rows = connection.execute(_WRITTEN, (npc, reach.branch, reach.up_to, limit - len(found)))
        found += [_turn_record(row) for row in rows]
    return found


def _turn_record(row: Sequence[Any]) -> TurnRecord:
    turn, npc, player, state, text, heard, written, fingerprint, token_ids, memory_ids, lore_ids, read_to, trace = row
    return TurnRecord(
        turn=turn,
        npc=npc,
        player=player,
        reason=state,
        text=text,
        heard=heard,
        written=tuple(json.loads(written)),
        fingerprint=fingerprint,
        token_ids=tuple(json.loads(token_ids)),
        memory_ids=tuple(json.loads(memory_ids)),
        lore_ids=tuple(json.loads(lore_ids)),
        read_to=read_to,
        trace=json.loads(trace),
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
