from __future__ import annotations

from pathlib import Path

import pytest

from server.errors import StoreError
from server.memory.records import RequestKey, SessionRecord
from server.memory.store import Memory
from tests.memory.builders import WORLD, happened


async def test_a_session_is_known_after_a_restart(tmp_path: Path) -> None:
    first = SessionRecord("a", "a", WORLD, "player")
    second = SessionRecord("b", "a", WORLD, "player")
    memory = await Memory.open(tmp_path)
    await memory.add_session(first)
    await memory.add_session(second)
    await memory.close()
    memory = await Memory.open(tmp_path)
    assert await memory.session("a") == first
    assert await memory.session("b") == second
    assert await memory.session("c") is None
    await memory.close()


async def test_a_session_id_is_given_once(memory: Memory) -> None:
    await memory.add_session(SessionRecord("a", "a", WORLD, "player"))
    with pytest.raises(StoreError):
        await memory.add_session(SessionRecord("a", "x", "elsewhere", "somebody"))
    assert await memory.session("a") == SessionRecord("a", "a", WORLD, "player")


async def test_the_last_client_id_is_the_newest_of_its_lineage(memory: Memory) -> None:
    assert await memory.last_client_id("a") is None
    for lineage, client_id in (("a", "9"), ("a", "10"), ("b", "z")):
        await memory.record(WORLD, "s", happened("hello"), (), RequestKey(lineage, client_id))
    await memory.record(WORLD, "s", happened("hello"), (), RequestKey("a", "9"))
    assert await memory.last_client_id("a") == "10"
    await memory.save(WORLD, "one", RequestKey("a", "1"))
    assert await memory.last_client_id("a") == "1"


async def test_answers_hold_after_a_load_and_a_restart(tmp_path: Path) -> None:
    key = RequestKey("a", "1")
    memory = await Memory.open(tmp_path)
    recorded = await memory.record(WORLD, "s", happened("hello"), ("hilda",), key)
    await memory.load(WORLD, None)
    await memory.close()
    memory = await Memory.open(tmp_path)
    assert await memory.answered(key) == {"turns": [{"turn": recorded.turns[0][0], "npc": "hilda"}], "why": None}
    assert await memory.last_client_id("a") == "1"
    await memory.close()
