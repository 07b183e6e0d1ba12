"""Rows of sessions, and of the requests that were answered in their lineages."""

from __future__ import annotations

import json
from typing import Any

from server.memory.branches import ensure_head, next_seq
from server.memory.database import Connection
from server.memory.records import Recorded, RequestKey, SessionRecord


def add(connection: Connection, record: SessionRecord) -> None:
    """Write a session, and its player where this is the first."""
    ensure_head(connection, record.world)
    connection.execute("INSERT OR IGNORE INTO players (world, player) VALUES (?, ?)", (record.world, record.player))
    connection.execute(
        "INSERT INTO sessions (session, lineage, world, player) VALUES (?, ?, ?, ?)",
        (record.session, record.lineage, record.world, record.player),
    )


def find(connection: Connection, session: str) -> SessionRecord | None:
    """The session of that id."""
    row = connection.execute(
        "SELECT session, lineage, world, player FROM sessions WHERE session = ?", (session,)
    ).fetchone()
    return SessionRecord(*row) if row else None


def last_client_id(connection: Connection, lineage: str) -> str | None:
    """The client id of the newest answered request of `lineage`."""
    row = connection.execute(
        "SELECT client_id FROM requests WHERE lineage = ? ORDER BY seq DESC LIMIT 1", (lineage,)
    ).fetchone()
    return str(row[0]) if row else None


def answer(connection: Connection, key: RequestKey) -> dict[str, Any] | None:
    """What a request was answered: `turns` as [{turn, npc}] or None, and `why`; None where it was not."""
    row = connection.execute(
        "SELECT answer FROM requests WHERE lineage = ? AND client_id = ?", (key.lineage, key.client_id)
    ).fetchone()
    return dict(json.loads(row[0])) if row else None


def repeated(connection: Connection, key: RequestKey | None) -> Recorded | None:
    """What a request became when it was answered before; None for a new one, and for one without an id."""
    if key is None:
        return None
    row = connection.execute(
        "SELECT event, answer FROM requests WHERE lineage = ? AND client_id = ?", (key.lineage, key.client_id)
    ).fetchone()
    if row is None:
        return None
    event, stored = row[0], json.loads(row[1])
    turns = tuple((turn["turn"], turn["npc"]) for turn in stored["turns"] or ())
    return Recorded(event, turns, stored["why"], repeated=True)


def store_answer(connection: Connection, key: RequestKey | None, recorded: Recorded) -> None:
    """Keep the answer of a request that carries an id."""
    if key is None:
        return
    turns = [{"turn": turn, "npc": npc} for turn, npc in recorded.turns] or None
    connection.execute(
        "INSERT INTO requests (lineage, client_id, seq, event, answer) VALUES (?, ?, ?, ?, ?)",
        (
            key.lineage,
            key.client_id,
            next_seq(connection),
            recorded.seq,
            json.dumps({"turns": turns, "why": recorded.why}),
        ),
    )
