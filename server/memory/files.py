"""The database as commands use it: beside a running server to look, or in place of one to change something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from server.errors import SchemaTooNew, StoreError
from server.memory import turns
from server.memory.database import Connection, change, look
from server.memory.lock import DataDirLock
from server.memory.migrations import MIGRATIONS
from server.memory.store import DATABASE_NAME

T = TypeVar("T")


def looked_at(data_dir: Path, work: Callable[[Connection], T]) -> T:
    """What `work` makes of the memory in `data_dir`, as it is at this moment.

    Raises:
        SchemaTooNew: a newer version wrote it.
        StoreError: there is none, an older version wrote it, or it cannot be read.
    """
    path = data_dir / DATABASE_NAME
    if not path.is_file():
        raise StoreError(
            f"There is no memory in {data_dir} yet.", "It begins with the first client of `barkeep serve`."
        )

    def of_this_version(connection: Connection) -> T:
        [(version,)] = connection.execute("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise SchemaTooNew(f"{path} has schema {version}; this version knows {len(MIGRATIONS)}.", "Update Barkeep.")
        if version < len(MIGRATIONS):
            raise StoreError(
                f"{path} has the older schema {version}.", "Start the server once: it brings it up to date."
            )
        return work(connection)

    return look(path, of_this_version)


def changed(data_dir: Path, work: Callable[[Connection], T], *, compact: bool = False) -> T:
    """Change the memory in `data_dir`, all or nothing; it is made where there is none.

    Raises:
        DataDirLocked: a server is running there.
        StoreError: it cannot be used, or `work` refuses; nothing is changed.
    """
    lock = DataDirLock.take(data_dir)

    def with_no_turn_open(connection: Connection) -> T:
        turns.end_open(connection)
        return work(connection)

    try:
        return change(data_dir / DATABASE_NAME, MIGRATIONS, with_no_turn_open, compact=compact)
    finally:
        lock.release()
