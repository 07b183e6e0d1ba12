from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.errors import DataDirLocked, StoreError
from server.memory.lock import DataDirLock

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from server.memory.lock import DataDirLock
lock = DataDirLock.take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_folder_is_made(tmp_path: Path) -> None:
    DataDirLock.take(tmp_path / "deep" / "data").release()
    assert (tmp_path / "deep" / "data").is_dir()


def test_a_second_holder_is_told_who_was_first(tmp_path: Path) -> None:
    lock = DataDirLock.take(tmp_path)
    with pytest.raises(DataDirLocked, match=f"process {os.getpid()}") as raised:
        DataDirLock.take(tmp_path)
    assert "data_dir" in raised.value.hint
    lock.release()
    lock.release()
    DataDirLock.take(tmp_path).release()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"held"
        with pytest.raises(DataDirLocked, match=f"process {child.pid}"):
            DataDirLock.take(tmp_path)
        child.kill()
        child.wait(30)
        DataDirLock.take(tmp_path).release()


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as raised:
        DataDirLock.take(tmp_path / "file" / "data")
    assert raised.value.hint
