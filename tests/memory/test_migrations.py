from __future__ import annotations

from server.memory.database import Connection
from server.memory.store import Memory


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
