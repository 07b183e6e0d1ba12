from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from server.memory.database import Connection
from server.memory.migrations import MIGRATIONS
from server.memory.recall import Question
from server.memory.store import DATABASE_NAME, Memory
from tests.memory.builders import WORLD, talk, texts
from tests.memory.schemas.keep import kept


async def test_every_table_is_strict(memory: Memory) -> None:
    tables = await memory._database.read(
        lambda c: c.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'").fetchall()
    )
    own = {name: strict for name, strict in tables if not name.startswith(("sqlite_", "recall_words"))}
    assert {"worlds", "branches", "marks", "players", "events", "witnesses", "turns"} <= own.keys()
    assert [name for name, strict in own.items() if not strict] == []


async def test_every_foreign_key_has_a_table_to_point_at(memory: Memory) -> None:
    def targets(connection: Connection) -> list[tuple[str]]:
        return connection.execute(
            """SELECT DISTINCT f."table" FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f
               WHERE s.type = 'table'"""
        ).fetchall()

    names = await memory._database.read(
        lambda c: {name for (name,) in c.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    )
    assert {name for (name,) in await memory._database.read(targets)} <= names


def test_a_file_of_every_earlier_schema_is_kept() -> None:
    lacking = [version for version in range(1, len(MIGRATIONS)) if not kept(version).is_file()]
    assert not lacking, "run tests/memory/schemas/keep.py where the last migration is this version's"


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
async def test_a_database_of_every_schema_comes_through_whole(tmp_path: Path, version: int) -> None:
    if not kept(version).is_file():
        pytest.skip("the newest schema is kept before the next migration is added")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / DATABASE_NAME).write_bytes(gzip.decompress(kept(version).read_bytes()))
    old, fresh = await Memory.open(tmp_path / "old"), await Memory.open(tmp_path / "fresh")
    assert await texts(old, "hilda") == [
        "The bell rang.", "My name is Ana.", "Well met, Ana.", "Is there a room?", "There is.",
    ]  # fmt: skip
    assert await texts(old, "ansel") == ["The bell rang."]
    assert [turn.heard for turn in await old.last_turns(WORLD, "hilda", 9)] == ["Well met, Ana.", "There is."]
    assert await old.personas(WORLD) == {"hilda": {"mood": "cross"}}
    assert await old._database.read(schema_of) == await fresh._database.read(schema_of)
    [found] = await old.recall(WORLD, "hilda", Question("Who rang the bell?", 1))
    assert "bell" in found.text
    await old.load(WORLD, "quick")
    await talk(old, "Again?", "hilda", "Again.")
    assert await texts(old, "hilda") == ["The bell rang.", "My name is Ana.", "Well met, Ana.", "Again?", "Again."]
    await old.close()
    await fresh.close()
    backup = tmp_path / "old" / f"memory.v{version}.backup.db"
    assert backup.exists() == (version < len(MIGRATIONS))


def schema_of(connection: Connection) -> set[tuple[str, str]]:
    """Every table and index, with its columns; how their making was spelt does not count."""
    names = connection.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").fetchall()
    described = {
        (f"{kind} {name}", repr(connection.execute(_COLUMNS[kind], (name,)).fetchall())) for kind, name in names
    }
    keys = {
        (f"keys of {name}", repr(sorted(connection.execute(_KEYS, (name,)).fetchall())))
        for kind, name in names
        if kind == "table"
    }
    return described | keys


_COLUMNS = {
    "table": 'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)',
    "index": "SELECT name, desc, coll, key FROM pragma_index_xinfo(?)",
}
_KEYS = 'SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)'
