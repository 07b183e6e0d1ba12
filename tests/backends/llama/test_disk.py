from __future__ import annotations

import ctypes
import os
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.backends.llama import disk
from server.backends.llama.disk import StateFiles

TOKENS = array("i", [1, 2, 70_000])


def some(size: int, fill: int = 7) -> Any:
    return (ctypes.c_uint8 * size)(*[fill] * min(size, 1_000))


def opened(folder: Path, key: str = "key", max_bytes: int = 1_000_000, log: list[str] | None = None) -> StateFiles:
    files = StateFiles(folder, key, max_bytes, (log if log is not None else []).append)
    files.open()
    return files


def write(files: StateFiles, tokens: array[int] = TOKENS, data: Any = None, kind: str = "turn") -> str | None:
    writing = files.write(tokens, kind, some(500) if data is None else data)
    while True:
        try:
            next(writing)
        except StopIteration as end:
            name: str | None = end.value
            return name


def test_what_was_written_is_found_and_read_by_the_next_process(tmp_path: Path) -> None:
    data = some(disk.PIECE_BYTES + 10)
    name = write(opened(tmp_path), data=data)
    (found,) = StateFiles(tmp_path, "key", 10**9, print).open()
    assert (found.name, found.kind, found.tokens) == (name, "turn", TOKENS)
    assert bytes(opened(tmp_path).read(found.name) or b"") == bytes(data)


def test_one_made_for_something_else_is_left_alone_and_not_offered(tmp_path: Path) -> None:
    name = write(opened(tmp_path, "another model"))
    assert StateFiles(tmp_path, "key", 10**9, print).open() == []
    assert name is not None
    assert (tmp_path / name).exists()


def test_the_least_recently_used_makes_room_also_over_processes(tmp_path: Path) -> None:
    files = opened(tmp_path)
    names = [write(files, array("i", [index]), some(1_000)) or "" for index in range(3)]
    for index, name in enumerate(names):
        os.utime(tmp_path / name, (index, index))
    files = opened(tmp_path)
    files.read(names[0])
    assert files.total_bytes > 3_000
    assert files.make_room(1_000_000 - 1_500) == [names[1], names[2]]
    assert sorted(os.listdir(tmp_path)) == [names[0]]


def test_nothing_larger_than_the_cap_is_taken(tmp_path: Path) -> None:
    files = opened(tmp_path, max_bytes=1_000)
    assert files.fits(900)
    assert not files.fits(1_001)
    assert not opened(tmp_path, max_bytes=0).fits(1)


def test_files_of_others_in_the_folder_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    files = opened(tmp_path, max_bytes=2_000)
    write(files, data=some(900))
    files.make_room(2_000)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_what_a_dead_process_left_unfinished_is_removed(tmp_path: Path) -> None:
    writing = opened(tmp_path).write(TOKENS, "turn", some(10))
    next(writing)
    assert len(os.listdir(tmp_path)) == 1
    opened(tmp_path)
    assert os.listdir(tmp_path) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_as_if_it_were_not(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("states")
    name = write(opened(folder)) or ""
    whole = (folder / name).read_bytes()
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    (folder / name).write_bytes(damaged)
    files = StateFiles(folder, "key", 10**6, print)
    for found in files.open():
        read = files.read(found.name)
        # Where only the kind or the key's spelling was hit, the state itself is whole.
        assert read is None or (bytes(read) == bytes(some(500)) and found.tokens == TOKENS)
        assert read is not None or found.name not in os.listdir(folder)


@pytest.mark.parametrize(
    "garbage", [b"", b"BARKEEP", disk.MAGIC + b"\xff\xff\xff\xff", disk.MAGIC + b"\2\0\0\0{}", os.urandom(3_000)]
)
def test_garbage_with_the_right_name_is_removed(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "x.state").write_bytes(garbage)
    opened(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told_once_and_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log: list[str] = []
    files = opened(tmp_path / "file" / "states", log=log)
    assert not files.fits(10)
    assert write(files) is None
    assert len(log) == 1


def test_a_full_disk_is_told_once_and_ends_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    files = opened(tmp_path, log=log)
    kept = write(files, array("i", [9]))
    monkeypatch.setattr(disk.zlib, "crc32", full)
    assert write(files) is None
    monkeypatch.undo()
    assert log == ["states are no longer kept on disk: [Errno 28] No space left on device"]
    assert not files.fits(10)
    assert os.listdir(tmp_path) == [kept]
    assert files.read(kept or "") is not None


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")
