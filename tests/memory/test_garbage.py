from __future__ import annotations

from pathlib import Path

from server.memory import garbage
from server.memory.files import looked_at
from server.memory.store import Memory
from tests.memory.archives import collected, exported
from tests.memory.builders import WORLD, talk, tell, texts


async def undone(folder: Path) -> None:
    """Two futures that were undone: one with a save in it, one without."""
    memory = await Memory.open(folder)
    await tell(memory, "first", "hilda")
    await memory.save(WORLD, "early")
    await tell(memory, "undone", "hilda")
    await memory.load(WORLD, "early")
    await tell(memory, "saved and left", "hilda")
    await memory.save(WORLD, "late")
    await talk(memory, "Hm?", "hilda", "after the save")
    await memory.load(WORLD, "early")
    await memory.load(WORLD, "early")
    await tell(memory, "now", "hilda")
    await memory.close()


async def test_only_what_nothing_leads_to_goes(tmp_path: Path) -> None:
    await undone(tmp_path)
    found = looked_at(tmp_path, lambda connection: garbage.find(connection, WORLD))
    assert len(found.branches) == 1
    assert {table: found.rows[table] for table in ("events", "witnesses", "turns")} == {
        "events": 3,
        "witnesses": 3,
        "turns": 1,
    }
    before = exported(tmp_path, WORLD)
    assert "undone" in before
    assert collected(tmp_path, WORLD) == found
    memory = await Memory.open(tmp_path)
    assert await texts(memory, "hilda") == ["first", "now"]
    await memory.load(WORLD, "late")
    assert await texts(memory, "hilda") == ["first", "saved and left"]
    await memory.load(WORLD, "early")
    assert await texts(memory, "hilda") == ["first"]
    await memory.close()
    assert "undone" not in exported(tmp_path, WORLD)


async def test_a_world_without_loads_has_none(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    await tell(memory, "first", "hilda")
    await memory.close()
    found = collected(tmp_path, WORLD)
    assert (found.branches, dict(found.rows)) == ((), {})
