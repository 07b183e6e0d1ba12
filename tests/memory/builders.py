"""Short ways to say what happened."""

from __future__ import annotations

from typing import Any

from server.memory.records import NewEvent, TurnRecord
from server.memory.store import Memory

WORLD = "default"


def happened(text: str, *witnesses: str, **fields: Any) -> NewEvent:
    defaults: dict[str, Any] = {
        "kind": "say",
        "speaker": "player",
        "speaker_name": "Ana",
        "player": "player",
        "wall_s": 1_000.0,
    }
    return NewEvent(text=text, witnesses=witnesses, **(defaults | fields))


def ended(turn: str, npc: str, heard: str, **fields: Any) -> TurnRecord:
    defaults: dict[str, Any] = {
        "player": "player",
        "reason": "done",
        "text": heard,
        "written": ("Ana: hello",),
        "fingerprint": "",
        "token_ids": (),
        "memory_ids": (),
        "lore_ids": (),
        "read_to": 0,
        "trace": {},
    }
    return TurnRecord(turn=turn, npc=npc, heard=heard, **(defaults | fields))


async def tell(memory: Memory, text: str, *witnesses: str, world: str = WORLD, **fields: Any) -> int:
    """Something happens and nobody answers. Returns its seq."""
    recorded = await memory.record(world, "s", happened(text, *witnesses, **fields), (), None)
    assert recorded.seq is not None
    return recorded.seq


async def talk(memory: Memory, text: str, npc: str, reply: str, *, world: str = WORLD, **fields: Any) -> str:
    """The player speaks and `npc` answers. Returns the turn."""
    recorded = await memory.record(world, "s", happened(text, npc), (npc,), None)
    [(turn, _)] = recorded.turns
    line = happened(reply, npc, kind="line", speaker=npc, speaker_name=npc.title(), turn=turn) if reply else None
    await memory.commit_turn(ended(turn, npc, reply, read_to=recorded.seq, **fields), line)
    return turn


async def texts(memory: Memory, npc: str, world: str = WORLD) -> list[str]:
    """Everything `npc` knows of, oldest first."""
    return [event.text for event in await memory.events_for(world, npc, after=0, limit=1_000)]
