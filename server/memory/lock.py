"""The lock on data_dir: one process at a time, and a second one is told who was first."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from server.errors import DataDirLocked, StoreError

LOCK_NAME = "barkeep.lock"

if sys.platform == "win32":
    import msvcrt

    # Windows locks keep others from reading the locked bytes; this one lies far behind the pid that they are to read.
    _FAR = 1 << 20

    def _lock(file: IO[str]) -> None:
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class DataDirLock:
    """Holds a data folder until released, or until the process ends in whatever way."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, data_dir: Path) -> DataDirLock:
        """Lock `data_dir`, which is made where it is missing.

        Raises:
            DataDirLocked: another process holds it; the message says which.
            StoreError: the folder cannot be made or written.
        """
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            file = (data_dir / LOCK_NAME).open("a+", encoding="ascii", errors="replace")
        except OSError as error:
            raise StoreError(
                f"The data folder {data_dir} cannot be used: {error.strerror}.",
                "Set data_dir to a folder that this user may write to.",
            ) from error
        try:
            _lock(file)
        except OSError as error:
            with file:
                holder = _holder(file)
            raise DataDirLocked(
                f"The data folder {data_dir} is in use by {holder}.",
                "Stop the other server, or give this one a data_dir of its own.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Let go. Idempotent. The file stays: to delete it would let two processes lock two files of one name."""
        self._file.close()


def _holder(file: IO[str]) -> str:
    file.seek(0)
    pid = file.read(20).strip()
    return f"process {pid}" if pid.isdigit() else "another process"
