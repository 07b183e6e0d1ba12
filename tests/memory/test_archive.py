"""A file with a world's or an NPC's memory: what it holds, and what it may not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.errors import ArchiveError, StoreError
from server.memory.archive_layout import LEFT_OUT, PLAIN_NUMBERS, ROLES, tables
from server.memory.records import SavePoint
from server.memory.store import Memory
from tests.memory.archives import exported, imported
from tests.memory.builders import WORLD, talk, tell, texts

OTHER_TABLES = {
    "counter", "worlds", "players", "sessions", "requests",  # one server's
    "spend", "ratios",  # nobody's memory
    "facts", "facts_progress", "recall_version",  # made again
}  # fmt: skip


async def test_every_table_is_either_in_an_archive_or_left_out_on_purpose(memory: Memory) -> None:
    def names(connection: Any) -> set[str]:
        rows = connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        return {name for (name,) in rows if not name.startswith("sqlite_")}

    known = await memory._database.read(tables)
    assert await memory._database.read(names) == known.keys() | OTHER_TABLES
    assert known.keys().isdisjoint(LEFT_OUT)


async def test_every_whole_number_in_an_archive_has_a_meaning(memory: Memory) -> None:
    known = await memory._database.read(tables)
    numbers = {each.name for table in known.values() for each in table.columns if each.type == "INTEGER"}
    assert numbers <= ROLES.keys() | PLAIN_NUMBERS


async def lived(folder: Path) -> None:
    """A world with a past, a save, an undone future, and somebody who was there for a part of it."""
    memory = await Memory.open(folder)
    await tell(memory, "in another world", "hilda", world="other")
    await tell(memory, "the bell rang", "hilda", "ansel", time=3_600.0)
    await talk(memory, "Hello?", "hilda", "Well met.", written=("Ana: Hello?",), trace={"turn": "t1", "npc": "hilda"})
    await memory.set_persona(WORLD, "hilda", {"mood": "cross"})
    await memory.save(WORLD, "quick", None, 3_600.0)
    await talk(memory, "Goodbye.", "hilda", "Go, then.")
    await memory.load(WORLD, SavePoint(3_700.0))
    await memory.load(WORLD, "quick")
    await talk(memory, "Again?", "hilda", "Again.", memory_ids=(2,))
    await tell(memory, "ansel alone saw it", "ansel")
    await memory.close()


async def test_a_world_comes_back_as_it_was_beside_others(tmp_path: Path) -> None:
    await lived(tmp_path / "a")
    text = exported(tmp_path / "a", WORLD)
    memory = await Memory.open(tmp_path / "b")
    await talk(memory, "Who are you?", "hilda", "Hilda.", world="third")
    await memory.close()
    imported(tmp_path / "b", text)
    assert exported(tmp_path / "b", WORLD) == text
    memory = await Memory.open(tmp_path / "b")
    assert await texts(memory, "hilda") == ["the bell rang", "Hello?", "Well met.", "Again?", "Again."]
    assert await texts(memory, "hilda", "third") == ["Who are you?", "Hilda."]
    assert await memory.personas(WORLD) == {"hilda": {"mood": "cross"}}
    await tell(memory, "after", "hilda")
    await memory.load(WORLD, "quick")
    assert await texts(memory, "hilda") == ["the bell rang", "Hello?", "Well met."]
    await memory.close()


async def test_an_npc_moves_to_another_world_with_what_it_knows_and_nothing_else(tmp_path: Path) -> None:
    await lived(tmp_path / "a")
    text = exported(tmp_path / "a", WORLD, "hilda")
    assert "ansel alone" not in text
    assert "Go, then." not in text
    memory = await Memory.open(tmp_path / "b")
    await tell(memory, "the second run began", "ansel", world="second")
    await memory.close()
    imported(tmp_path / "b", text, "second")
    assert json.loads(exported(tmp_path / "b", "second", "hilda"))["tables"] == json.loads(text)["tables"]
    memory = await Memory.open(tmp_path / "b")
    assert await texts(memory, "hilda", "second") == ["the bell rang", "Hello?", "Well met.", "Again?", "Again."]
    assert await texts(memory, "ansel", "second") == ["the second run began"]
    await tell(memory, "and then", "hilda", world="second")
    assert (await texts(memory, "hilda", "second"))[-1] == "and then"
    await memory.close()
    with pytest.raises(ArchiveError, match="already"):
        imported(tmp_path / "b", text, "second")


async def test_nothing_is_read_into_a_world_that_is_there_or_beside_a_running_server(tmp_path: Path) -> None:
    await lived(tmp_path)
    text = exported(tmp_path, WORLD)
    with pytest.raises(ArchiveError, match="already"):
        imported(tmp_path, text)
    memory = await Memory.open(tmp_path)
    with pytest.raises(StoreError, match="in use"):
        imported(tmp_path, text, "second")
    assert exported(tmp_path, WORLD) == text
    await memory.close()


def _set(table: str, row: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["tables"][table][row].update(values)


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another format": lambda data: data.update(format="else"),
    "a newer version": lambda data: data.update(version=99),
    "a newer schema": lambda data: data.update(schema=9_999),
    "no version": lambda data: data.pop("version"),
    "a version that is true": lambda data: data.update(version=True),
    "a world with a line break": lambda data: data.update(world="a\nb"),
    "an npc that is none": lambda data: data.update(npc="../hilda"),
    "no tables": lambda data: data.update(tables=[]),
    "a strange table": lambda data: data["tables"].update(sqlite_schema=[]),
    "a row that is none": lambda data: data["tables"]["events"].append(7),
    "a table that is none": lambda data: data["tables"].update(events={}),
    "a strange column": _set("events", 0, **{"text) VALUES (1); DROP TABLE events; --": 1}),
    "a column missing": lambda data: data["tables"]["events"][0].pop("text"),
    "null text": _set("events", 0, text=None),
    "half a character": _set("events", 0, text="\ud800"),
    "a number for text": _set("events", 0, text=5),
    "text for a number": _set("events", 0, time="soon"),
    "an endless time": _set("events", 0, time=1e999),
    "true for a number": _set("events", 0, importance=True),
    "more than important": _set("events", 0, importance=7.5),
    "a huge seq": _set("events", 0, seq=2**62),
    "a negative seq": _set("events", 0, seq=-1),
    "a kind that is none": _set("events", 0, kind="A B"),
    "a turn that is not there": _set("events", 0, turn=77),
    "a witness to nothing": _set("witnesses", 0, seq=9_000),
    "an unknown way to know": _set("witnesses", 0, how="dreamt"),
    "an npc id that is none": _set("witnesses", 0, npc="Hilda Marsh"),
    "an open turn": _set("turns", 0, state="open"),
    "a list that is a map": _set("turns", 0, written={}),
    "a list of other things": _set("turns", 0, token_ids=["a"]),
    "a deep trace": _set("turns", 0, trace=json.loads('{"a":' * 60 + "{}" + "}" * 60)),
    "a branch of its own": _set("branches", 1, parent=2),
    "a branch of the future": _set("branches", 0, parent=2),
    "one epoch twice": _set("branches", 0, epoch=2),
    "an old head": lambda data: data.update(head=1),
    "no head": lambda data: data.update(head=40),
    "a row in no branch": _set("events", 0, branch=40),
    "an event twice": lambda data: data["tables"]["events"].append(data["tables"]["events"][0]),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_file_that_is_wrong_changes_nothing(tmp_path: Path, what: str) -> None:
    await lived(tmp_path)
    before = exported(tmp_path, WORLD)
    data = json.loads(before)
    HOSTILE[what](data)
    with pytest.raises(ArchiveError):
        imported(tmp_path, json.dumps(data), "second")
    assert exported(tmp_path, WORLD) == before
    with pytest.raises(ArchiveError):
        exported(tmp_path, "second")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"format": NaN}', "[" * 100_000])
async def test_what_is_no_archive_is_told_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArchiveError):
        imported(tmp_path, text)


async def test_an_older_file_lacks_what_came_later(tmp_path: Path) -> None:
    await lived(tmp_path / "a")
    data = json.loads(exported(tmp_path / "a", WORLD))
    data["schema"] = 1
    for row in data["tables"]["events"]:
        del row["claim"]
    for row in data["tables"]["marks"]:
        del row["time"], row["character"]
    for name in ("commitments", "diaries", "digested"):
        del data["tables"][name]
    imported(tmp_path / "b", json.dumps(data))
    memory = await Memory.open(tmp_path / "b")
    assert len(await texts(memory, "hilda")) == 5
    await memory.close()
