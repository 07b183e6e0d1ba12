"""Rows of what an NPC has become: persona patches, how it stands to others, its mood, its summary.

Each change is a row of its own on a branch; the newest visible one holds, so a load takes changes back.
"""

from __future__ import annotations

import json
from typing import Any

from server.memory.branches import ensure_head, next_seq, seen_from
from server.memory.database import Connection
from server.memory.records import Standing
from server.memory.timeline import VisiblePath


def patch_persona(connection: Connection, world: str, npc: str, patch: dict[str, Any]) -> None:
    """Add to what is known of `npc`, field by field: each field of `patch` replaces the one before it."""
    head = ensure_head(connection, world)
    known = persona_patches(connection, seen_from(connection, head.branch)).get(npc)
    if known is not None and {**known, **patch} == known:
        return
    connection.execute(
        "INSERT INTO personas (branch, seq, npc, patch) VALUES (?, ?, ?, ?)",
        (head.branch, next_seq(connection), npc, json.dumps(patch)),
    )


def persona_patches(connection: Connection, path: VisiblePath) -> dict[str, dict[str, Any]]:
    """All visible patches, those of one NPC laid over each other."""
    merged: dict[str, dict[str, Any]] = {}
    for reach in reversed(path):
        for npc, patch in connection.execute(
            "SELECT npc, patch FROM personas WHERE branch = ? AND seq <= ? ORDER BY seq", (reach.branch, reach.up_to)
        ):
            merged.setdefault(npc, {}).update(json.loads(patch))
    return merged


def standing(connection: Connection, path: VisiblePath, npc: str) -> tuple[Standing, ...]:
    """How `npc` stands to each other one, ordered by who that is."""
    newest: dict[str, Standing] = {}
    for reach in path:
        for row in connection.execute(
            """SELECT other, note, trust, warmth, respect, fear FROM standings
               WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC""",
            (npc, reach.branch, reach.up_to),
        ):
            newest.setdefault(row[0], Standing(*row))
    return tuple(newest[other] for other in sorted(newest))


def mood(connection: Connection, path: VisiblePath, npc: str) -> tuple[str, float, float] | None:
    """Label, valence and arousal; None where nothing has moved it yet."""
    for reach in path:
        row = connection.execute(
            """SELECT label, valence, arousal FROM moods
               WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1""",
            (npc, reach.branch, reach.up_to),
        ).fetchone()
        if row:
            return (row[0], row[1], row[2])
    return None


def summary(connection: Connection, path: VisiblePath, npc: str) -> str:
    """What `npc` keeps of older times, in a few words; empty where there is none."""
    for reach in path:
        row = connection.execute(
            "SELECT text FROM summaries WHERE npc = ? AND branch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
            (npc, reach.branch, reach.up_to),
        ).fetchone()
        if row:
            return str(row[0])
    return ""
