from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.errors import DataDirLocked, SchemaTooNew, StoreError
from server.memory.database import Connection
from server.memory.recall import Question
from server.memory.records import RequestKey
from server.memory.store import DATABASE_NAME, Memory
from tests.memory.builders import WORLD, ended, happened, talk, tell, texts

ROOT = Path(__file__).parents[2]
ENDLESS_TALK = """
import asyncio, sys
from pathlib import Path
from server.memory.store import Memory
from tests.memory.builders import talk

async def main():
    memory = await Memory.open(Path(sys.argv[1]))
    number = 0
    while True:
        await talk(memory, f"say {number}", "hilda", f"line {number}")
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    await talk(memory, "hello", "hilda", "welcome")
    turns = await memory.last_turns(WORLD, "hilda", 5)
    head = await memory.head(WORLD)
    await memory.close()
    memory = await Memory.open(tmp_path)
    assert await texts(memory, "hilda") == ["hello", "welcome"]
    assert await memory.last_turns(WORLD, "hilda", 5) == turns
    assert await memory.head(WORLD) == head
    await memory.close()


async def test_a_turn_that_its_process_left_open_has_failed(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    recorded = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), None)
    await memory.close()
    memory = await Memory.open(tmp_path)
    states = "SELECT state, heard FROM turns"
    assert await memory._database.read(lambda c: c.execute(states).fetchall()) == [("failed", "")]
    [(turn, _)] = recorded.turns
    with pytest.raises(StoreError, match="ended already, as failed"):
        await memory.commit_turn(ended(turn, "hilda", "late"), None)
    assert await texts(memory, "hilda") == ["hello"]
    assert await memory.last_turns(WORLD, "hilda", 5) == ()
    await memory.close()


async def test_a_second_server_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    with pytest.raises(DataDirLocked, match=f"process {os.getpid()}"):
        await Memory.open(tmp_path)
    await memory.close()
    await memory.close()
    await (await Memory.open(tmp_path)).close()


async def test_a_failed_open_lets_go_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"no database " * 100)
    for _ in range(2):
        with pytest.raises(StoreError) as raised:
            await Memory.open(tmp_path)
        assert not isinstance(raised.value, DataDirLocked)


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    await memory._database.write(lambda c: c.execute("PRAGMA user_version = 999"))
    await memory.close()
    with pytest.raises(SchemaTooNew):
        await Memory.open(tmp_path)


async def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    def talk_until_killed() -> int:
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS_TALK, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        ) as child:
            assert child.stdout is not None
            for number in child.stdout:
                if int(number) == 150:
                    child.kill()
                    break
            return max([150, *(int(number) for number in child.stdout if number.endswith("\n"))])

    acknowledged = await asyncio.to_thread(talk_until_killed)
    memory = await Memory.open(tmp_path)
    known = await texts(memory, "hilda")
    expected = [text for number in range(acknowledged + 1) for text in (f"say {number}", f"line {number}")]
    assert known[: len(expected)] == expected
    assert len(known) - len(expected) <= 2  # what was written but not acknowledged any more

    def check(connection: Connection) -> None:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        lines = connection.execute("SELECT turn FROM events WHERE kind = 'line' ORDER BY turn").fetchall()
        done = connection.execute("SELECT turn FROM turns WHERE state = 'done' ORDER BY turn").fetchall()
        assert lines == done  # no half turn

    await memory._database.read(check)
    await memory.close()


async def plan(memory: Memory, sql: str) -> list[str]:
    def explain(connection: Connection) -> list[str]:
        return [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]

    return await memory._database.read(explain)


async def test_hot_queries_walk_an_index(memory: Memory) -> None:
    """No table is read whole and nothing is sorted, so cost grows with what is asked for, not with the world."""
    await talk(memory, "hello", "hilda", "welcome")
    seen: list[str] = []
    await memory._database.read(lambda connection: connection.set_trace_callback(seen.append))
    await memory._database.write(lambda connection: connection.set_trace_callback(seen.append))
    await memory.events_for(WORLD, "hilda", after=0, limit=5)
    await memory.last_turns(WORLD, "hilda", 5)
    await memory.recall(WORLD, "hilda", Question("hello", 5, before=9))
    await memory.answered(RequestKey("lineage", "1"))
    await memory.last_client_id("lineage")
    await memory.derived.standpoint(WORLD, "hilda", ["player"])
    await memory.derived.regards(WORLD, "hilda")
    await memory.derived.summary(WORLD, "hilda")
    await memory.personas(WORLD)
    await memory.save(WORLD, "one", RequestKey("lineage", "1"))
    await memory.load(WORLD, "one")
    await talk(memory, "hello", "hilda", "welcome")
    await tell(memory, "rain", "hilda")
    await memory._database.write(lambda connection: connection.set_trace_callback(None))
    await memory._database.read(lambda connection: connection.set_trace_callback(None))
    queries = {sql for sql in seen if sql.split()[0] in ("SELECT", "WITH", "UPDATE")}
    assert len(queries) > 10
    for sql in queries:
        for step in await plan(memory, sql):
            # Ancestors, seqs that are given, and what FTS5 finds by its own index.
            is_short = step == "SCAN line" or step.startswith(("SCAN asked VIRTUAL", "SCAN recall_words VIRTUAL"))
            assert is_short or not step.startswith(("SCAN", "USE TEMP B-TREE")), (sql, step)


async def test_the_index_of_open_turns_is_used(memory: Memory) -> None:
    [step] = await plan(memory, "SELECT turn FROM turns WHERE state = 'open' ORDER BY turn")
    assert "turns_open" in step
