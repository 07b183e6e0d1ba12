"""The content hash of a model file, remembered so that a file of gigabytes is read once and not at every start."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

REMEMBERED = "hashes.json"


def file_hash(path: Path, folder: Path) -> str:
    """SHA-256 of the file at `path`, in hex; taken from `folder` while size and time of the file are as they were.

    Raises:
        OSError: the file cannot be read. A folder that cannot be used only costs the reading again.
    """
    status = path.stat()
    name, version = str(path.resolve()), [status.st_size, status.st_mtime_ns]
    known = _remembered(folder)
    if (entry := known.get(name)) is not None and entry[:2] == version:
        return str(entry[2])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    known[name] = [*version, digest]
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REMEMBERED).write_text(json.dumps(known), encoding="utf-8")
    return digest


def _remembered(folder: Path) -> dict[str, list[object]]:
    try:
        known = json.loads((folder / REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    good = isinstance(known, dict) and all(isinstance(entry, list) and len(entry) == 3 for entry in known.values())
    return known if good else {}
