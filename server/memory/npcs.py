"""Rows of who an NPC is in a world: persona patches.

Each is a row of its own on a branch, laid over those before it, so a load takes patches back.
"""

from __future__ import annotations

import json
from typing import Any

from server.memory.branches import ensure_head, next_seq, seen_from
from server.memory.database import Connection
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
