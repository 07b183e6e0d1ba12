"""The database: one file, a thread that writes and one that reads. The only module that knows the SQLite driver.

WAL with synchronous NORMAL survives a killed process with nothing lost; a power cut may take the last commits but never
harms the file (https://www.sqlite.org/wal.html). A durable write is synced to the disk before it is acknowledged.
A third thread folds the log into the file now and then: that waits for the disk, and no writer waits for it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from server.errors import SchemaTooNew, StoreError

Connection = sqlite3.Connection
Migration = Callable[[Connection], None]
T = TypeVar("T")

BUSY_S = 5.0
FOLD_EVERY_WRITES = 256
LARGEST_LOG_PAGES = 4_096  # 16 MiB: where folding cannot keep up, a writer does it
READ_CACHE_KIB = 16_384  # recall reads all over a long life; SQLite's own 2 MiB hold a tenth of 60,000 events
OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables

_HINTS = {
    sqlite3.SQLITE_CORRUPT: "Nothing in it was changed. Put back a copy of the file, or move it away to begin anew.",
    sqlite3.SQLITE_NOTADB: "Nothing in it was changed. Put back a copy of the file, or move it away to begin anew.",
    sqlite3.SQLITE_FULL: "Free some room on the disk that holds data_dir.",
    sqlite3.SQLITE_BUSY: "Close the other program that has the file open.",
    sqlite3.SQLITE_READONLY: "Set data_dir to a folder that this user may write to.",
    sqlite3.SQLITE_CANTOPEN: "Set data_dir to a folder that this user may write to.",
}


class _Lane:
    """A thread with a connection of its own; what it is given runs one after another."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._connection: Connection | None = None
        self._shut = False

    async def open(self, connect: Callable[[], Connection]) -> None:
        def work() -> None:
            self._connection = connect()

        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def run(self, work: Callable[[Connection], T]) -> T:
        if self._shut or self._connection is None:
            raise StoreError("The database is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._connection)

    def soon(self, work: Callable[[Connection], object]) -> None:
        """Run `work` when the thread is free; nobody hears how it went."""
        if not self._shut and self._connection is not None:
            self._thread.submit(work, self._connection)

    async def close(self) -> None:
        """Run what is waiting, then close. Idempotent."""

        def work() -> None:
            if self._connection is not None:
                self._connection.close()

        if self._shut:
            return
        self._shut = True
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._thread.shutdown(wait=False)
        await done


class Database:
    """An open database. Functions given to `write` and `read` run in the database's threads, within one transaction.

    They must be quick, touch nothing but the connection, and not keep it. A caller that is cancelled before its turn
    came writes nothing; after that, its transaction goes through as a whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._writer = _Lane("memory-write")
        self._reader = _Lane("memory-read")
        self._folder = _Lane("memory-fold")
        self._writes = 0
        self._closing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[Migration]) -> Database:
        """Open the file at `path`, made where it is missing, and bring its schema up to the last of `migrations`.

        A file that cannot be used is left as it is. Before each migration an existing file is copied beside itself.

        Raises:
            SchemaTooNew: a newer version wrote it.
            StoreError: it is broken, no database of ours, or the folder cannot be written.
        """
        self = cls(path)
        try:
            await self._writer.open(lambda: _open_writer(self._path, migrations))
            await self._reader.open(lambda: _open_beside(self._path, "ro"))
            await self._folder.open(lambda: _open_beside(self._path, "rw"))
        except BaseException:
            await self.close()
            raise
        return self

    async def write(self, work: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Run `work` in a transaction of its own and return its result once that is committed.

        Raises:
            StoreError: the database is closed, or SQLite refuses; nothing of `work` is kept.
        """

        def transact(connection: Connection) -> T:
            with _store_errors(self._path):
                if not durable:
                    return _transact(connection, "BEGIN IMMEDIATE", work)
                connection.execute("PRAGMA synchronous = FULL")
                try:
                    return _transact(connection, "BEGIN IMMEDIATE", work)
                finally:
                    connection.execute("PRAGMA synchronous = NORMAL")

        result = await self._writer.run(transact)
        self._writes += 1
        if self._writes % FOLD_EVERY_WRITES == 0:
            self._folder.soon(_fold)
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one snapshot, which holds everything acknowledged before this call.

        Raises:
            StoreError: the database is closed, or cannot be read.
        """

        def transact(connection: Connection) -> T:
            with _store_errors(self._path):
                return _transact(connection, "BEGIN", work)

        return await self._reader.run(transact)

    async def close(self) -> None:
        """Finish what is waiting and close the file. Idempotent."""
        async with self._closing:
            await self._reader.close()
            await self._folder.close()
            await self._writer.close()  # last: the last connection to close folds the whole log into the file


def _transact(connection: Connection, begin: str, work: Callable[[Connection], T]) -> T:
    connection.execute(begin)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, a full disk for one, have rolled back already
            connection.execute("ROLLBACK")
        raise
    return result


@contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Turn what the driver raises, also at values that SQLite cannot hold, into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        primary_code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise StoreError(f"The database {path} cannot be used: {error}.", _HINTS.get(primary_code, "")) from error
    except (OverflowError, UnicodeError) as error:
        raise StoreError(f"A value cannot be stored: {error}.") from error


def _connect(path: Path, mode: str) -> Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None)


def look(path: Path, work: Callable[[Connection], T]) -> T:
    """Run `work` on one snapshot of a file that another process may be writing; for commands beside a server.

    Raises:
        StoreError: the file cannot be read.
    """
    path = path.absolute()
    with _store_errors(path), closing(_connect(path, "ro")) as connection:
        return _transact(connection, "BEGIN", work)


def change(path: Path, migrations: Sequence[Migration], work: Callable[[Connection], T], *, compact: bool = False) -> T:
    """Run `work` in a transaction on a file that nobody else has open; for commands while no server runs.

    With `compact` the file is then written anew, without the room of what was deleted.

    Raises:
        SchemaTooNew: a newer version wrote the file.
        StoreError: it cannot be used; nothing of `work` is kept.
    """
    path = path.absolute()
    with closing(_open_writer(path, migrations)) as connection, _store_errors(path):
        result = _transact(connection, "BEGIN IMMEDIATE", work)
        if compact:
            connection.execute("VACUUM")
        return result


def _open_beside(path: Path, mode: str) -> Connection:
    with _store_errors(path):
        connection = _connect(path, mode)
        connection.execute(f"PRAGMA cache_size = -{READ_CACHE_KIB}")
        return connection


def _fold(connection: Connection) -> None:
    # PASSIVE folds what it can and waits for nobody.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _open_writer(path: Path, migrations: Sequence[Migration]) -> Connection:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old.", "Use a Python with SQLite 3.37 or newer.")
    with _store_errors(path):
        if path.exists():
            _inspect(path, len(migrations))
        connection = _connect(path, "rwc")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LARGEST_LOG_PAGES}")
            _migrate(connection, path, migrations)
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
        return connection


def _inspect(path: Path, known_version: int) -> None:
    """Refuse a file that cannot be used, before anything could write to it."""
    with closing(_connect(path, "ro")) as connection:
        [(version,)] = connection.execute("PRAGMA user_version")
        [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_schema")
        if version > known_version:
            raise SchemaTooNew(
                f"The database {path} has schema {version}; this version knows {known_version}.",
                "Update Barkeep, or give this version a data_dir of its own.",
            )
        if version == 0 and tables:
            raise StoreError(f"{path} is not a database of Barkeep's.", "Set data_dir to a folder of its own.")
        [(verdict, *_), *_] = connection.execute("PRAGMA quick_check(1)")
        if verdict != "ok":
            raise StoreError(f"The database {path} is damaged: {verdict}.", _HINTS[sqlite3.SQLITE_CORRUPT])


def _migrate(connection: Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Run the migrations that the file lacks, each in one transaction. `user_version` counts those it has."""
    [(version,)] = connection.execute("PRAGMA user_version")
    for number in range(version + 1, len(migrations) + 1):
        if version:  # a new file holds nothing yet
            _back_up(connection, path.with_name(f"{path.stem}.v{number - 1}.backup{path.suffix}"))

        def step(connection: Connection, number: int = number) -> None:
            migrations[number - 1](connection)
            connection.execute(f"PRAGMA user_version = {number}")

        _transact(connection, "BEGIN IMMEDIATE", step)


def _back_up(connection: Connection, to: Path) -> None:
    to.unlink(missing_ok=True)
    with closing(_connect(to, "rwc")) as copy:
        connection.backup(copy)
