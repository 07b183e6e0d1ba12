from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from server.errors import SchemaTooNew, StoreError
from server.memory import database as database_module
from server.memory.database import Connection, Database


def make_notes(connection: Connection) -> None:
    connection.execute("CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")


def add_colour(connection: Connection) -> None:
    connection.execute("ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")


def break_down(connection: Connection) -> None:
    connection.execute("UPDATE notes SET text = 'half done'")
    connection.execute("SELECT * FROM nowhere")


def note(text: str) -> Callable[[Connection], int]:
    def add(connection: Connection) -> int:
        [(number,)] = connection.execute("INSERT INTO notes (text) VALUES (?) RETURNING number", (text,))
        return int(number)

    return add


def all_notes(connection: Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY number")]


def pragma(name: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(f"PRAGMA {name}").fetchone()[0]


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a folder?#%20" / "notes.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    path.parent.mkdir()
    opened = await Database.open(path, (make_notes,))
    yield opened
    await opened.close()


async def written(path: Path, *texts: str) -> None:
    path.parent.mkdir(exist_ok=True)
    database = await Database.open(path, (make_notes,))
    for text in texts:
        await database.write(note(text))
    await database.close()


async def test_a_read_sees_what_was_acknowledged(database: Database) -> None:
    for number in range(1, 50):
        assert await database.write(note(f"{number}")) == number
        assert len(await database.read(all_notes)) == number


async def test_a_failed_write_keeps_nothing_and_harms_no_other(database: Database) -> None:
    def half(connection: Connection) -> None:
        note("half")(connection)
        raise ValueError("no")

    first, failed, last = await asyncio.gather(
        database.write(note("first")), database.write(half), database.write(note("last")), return_exceptions=True
    )
    assert isinstance(failed, ValueError)
    assert (first, last) == (1, 2)
    assert await database.read(all_notes) == ["first", "last"]


@pytest.mark.parametrize("value", ["\ud800", 2**70, None])
async def test_a_value_that_cannot_be_stored_is_a_store_error(database: Database, value: object) -> None:
    with pytest.raises(StoreError):
        await database.write(lambda connection: connection.execute("INSERT INTO notes (text) VALUES (?)", (value,)))
    assert await database.read(all_notes) == []


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StoreError):
        await database.read(note("sneaked in"))
    assert await database.read(all_notes) == []


async def test_many_writers_at_once_each_get_their_own_commit(database: Database) -> None:
    rows = await asyncio.gather(*(database.write(note(f"{number}")) for number in range(200)))
    assert sorted(rows) == list(range(1, 201))
    kept = await database.read(all_notes)
    assert [kept[row - 1] for row in rows] == [f"{number}" for number in range(200)]


async def test_close_finishes_what_is_waiting_and_may_be_called_again(database: Database, path: Path) -> None:
    waiting = [asyncio.ensure_future(database.write(note(f"{number}"))) for number in range(20)]
    await asyncio.sleep(0)  # each has handed its work over
    await asyncio.gather(database.close(), database.close())
    await asyncio.gather(*waiting)
    await database.close()
    with closing(sqlite3.connect(path)) as connection:
        assert len(all_notes(connection)) == 20


async def test_a_write_that_comes_while_the_database_closes_is_refused(database: Database) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> str:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(10)
        return "done"

    first = asyncio.ensure_future(database.write(slow))
    await begun.wait()
    await database._reader.close()
    await database._folder.close()
    closing_now = asyncio.ensure_future(database.close())
    await asyncio.sleep(0)  # the other two are closed: this one waits for the slow write
    with pytest.raises(StoreError, match="closed"):
        await database.write(note("late"))
    go_on.set()
    assert await first == "done"
    await closing_now


async def test_nothing_runs_after_close(database: Database) -> None:
    await database.close()
    with pytest.raises(StoreError, match="closed"):
        await database.write(note("late"))
    with pytest.raises(StoreError, match="closed"):
        await database.read(all_notes)


async def test_a_write_whose_caller_left_before_its_turn_is_not_run(database: Database) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(connection: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(10)

    first = asyncio.ensure_future(database.write(slow))
    await begun.wait()
    second = asyncio.ensure_future(database.write(note("never")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    await database.write(note("after"))
    assert await database.read(all_notes) == ["after"]


async def test_only_a_durable_write_waits_for_the_disk(database: Database) -> None:
    normal, full = 1, 2
    assert await database.write(pragma("synchronous")) == normal
    assert await database.write(pragma("synchronous"), durable=True) == full
    assert await database.write(pragma("synchronous")) == normal


async def test_the_writer_keeps_a_log_and_foreign_keys(database: Database) -> None:
    assert await database.write(pragma("journal_mode")) == "wal"
    assert await database.write(pragma("foreign_keys")) == 1
    assert await database.write(pragma("busy_timeout")) == 5_000


async def test_the_log_is_folded_into_the_file_while_the_database_is_open(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "FOLD_EVERY_WRITES", 10)
    before = len(content_of(path))
    for number in range(10):
        await database.write(note(f"{number} {'words ' * 1_000}"))
    await database._folder.run(lambda connection: None)  # the fold before it is done
    assert len(content_of(path)) > before
    assert len(await database.read(all_notes)) == 10


async def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    await written(path, "kept")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = content_of(path)
    with pytest.raises(SchemaTooNew, match="schema 7") as raised:
        await Database.open(path, (make_notes,))
    assert raised.value.hint
    assert content_of(path) == before


async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    fill(path, b"a letter, not a database\n" * 400)
    before = content_of(path)
    with pytest.raises(StoreError, match=r"notes\.db") as raised:
        await Database.open(path, (make_notes,))
    assert "changed" in raised.value.hint
    assert content_of(path) == before


@pytest.mark.parametrize("damage", ["garbled", "cut"])
async def test_a_damaged_database_is_refused_and_left_alone(path: Path, damage: str) -> None:
    await written(path, *(f"{number} {'words ' * 100}" for number in range(200)))
    content = bytearray(content_of(path))
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[4096 : len(content) // 2] = b"\xa5" * (len(content) // 2 - 4096)
    fill(path, bytes(content))
    with pytest.raises(StoreError) as raised:
        await Database.open(path, (make_notes, add_colour))
    assert "changed" in raised.value.hint
    assert content_of(path) == content


async def test_somebody_elses_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (text)")
    before = content_of(path)
    with pytest.raises(StoreError, match="not a database of Barkeep's"):
        await Database.open(path, (make_notes,))
    assert content_of(path) == before


async def test_a_folder_that_is_missing_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        await Database.open(tmp_path / "nowhere" / "notes.db", (make_notes,))
    assert "data_dir" in raised.value.hint


async def test_a_new_file_needs_no_copy(database: Database, path: Path) -> None:
    assert not list(path.parent.glob("*backup*"))


async def test_a_copy_is_kept_before_each_migration(path: Path) -> None:
    await written(path, "old")
    database = await Database.open(path, (make_notes, add_colour, lambda connection: None))
    assert await database.read(lambda c: c.execute("SELECT text, colour FROM notes").fetchall()) == [("old", "red")]
    assert await database.read(pragma("user_version")) == 3
    await database.close()
    for version, columns in ((1, ["number", "text"]), (2, ["number", "text", "colour"])):
        with closing(sqlite3.connect(path.with_name(f"notes.v{version}.backup.db"))) as copy:
            assert copy.execute("PRAGMA user_version").fetchone() == (version,)
            assert all_notes(copy) == ["old"]
            assert [name for (name,) in copy.execute("SELECT name FROM pragma_table_info('notes')")] == columns


async def test_a_migration_that_fails_changes_nothing_and_can_be_tried_again(path: Path) -> None:
    await written(path, "old")
    with pytest.raises(StoreError):
        await Database.open(path, (make_notes, break_down))
    with closing(sqlite3.connect(path)) as connection:
        assert all_notes(connection) == ["old"]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    database = await Database.open(path, (make_notes, add_colour))
    assert await database.read(pragma("user_version")) == 2
    await database.close()
