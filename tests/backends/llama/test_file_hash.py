import hashlib
import os
from pathlib import Path

from server.backends.llama.file_hash import REMEMBERED, file_hash


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path) -> None:
    path, folder = tmp_path / "model.gguf", tmp_path / "cache"
    path.write_bytes(b"one")
    assert file_hash(path, folder) == hashlib.sha256(b"one").hexdigest()
    times = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file_hash(path, folder) == hashlib.sha256(b"one").hexdigest(), "same size and time: taken as unchanged"
    os.utime(path, ns=(0, 0))
    assert file_hash(path, folder) == hashlib.sha256(b"two").hexdigest()


def test_a_damaged_memory_or_an_unusable_folder_costs_only_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"one")
    (tmp_path / REMEMBERED).write_text('{"x": 3}', encoding="utf-8")
    assert file_hash(path, tmp_path) == hashlib.sha256(b"one").hexdigest()
    assert file_hash(path, path / "no-folder") == hashlib.sha256(b"one").hexdigest()
