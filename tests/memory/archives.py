"""Moving memory from one folder to another, as the commands do."""

from __future__ import annotations

from pathlib import Path

from server.memory import garbage
from server.memory.archive_reader import parse, read
from server.memory.archive_writer import archive
from server.memory.files import changed, looked_at


def exported(folder: Path, world: str, npc: str | None = None) -> str:
    """The archive of a world or an NPC."""
    return looked_at(folder, lambda connection: "".join(archive(connection, world, npc, {})))


def imported(folder: Path, text: str, world: str | None = None) -> None:
    """Read an archive in."""
    found = parse(text)
    changed(folder, lambda connection: read(connection, found, world or found.world))


def collected(folder: Path, world: str) -> garbage.Garbage:
    """Delete a world's garbage."""
    return changed(folder, lambda connection: garbage.collect(connection, world), compact=True)
