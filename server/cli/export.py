"""`barkeep export`: the memory of a world or of an NPC as one file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.config import Settings
    from server.personas.library import PersonaLibrary


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "export",
        help="write the memory of a world or an NPC into a file",
        description="Write all that a world remembers, with its branches and saves, or what one NPC remembers now, "
        "into one JSON file, personas included. It may be run while the server does.",
        epilog="Example: barkeep export default hilda hilda.json",
    )
    parser.add_argument("world", metavar="WORLD")
    parser.add_argument("npc", nargs="?", metavar="NPC", help="this one's memory alone")
    parser.add_argument("file", type=Path, metavar="FILE", help="an existing one is replaced")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from server.cli.settings import load_settings
    from server.memory.archive_writer import archive
    from server.memory.database import Connection
    from server.memory.files import looked_at

    settings = load_settings(args)
    personas = _personas(settings, args.npc)

    def write(connection: Connection) -> None:
        _write(args.file, archive(connection, args.world, args.npc, personas))

    looked_at(settings.data_dir, write)
    what = f"What {args.npc} remembers of {args.world}" if args.npc else f"The world {args.world}"
    print(f"{what} is in {args.file}.", file=sys.stderr)
    return 0


def library_of(settings: Settings) -> PersonaLibrary:
    """The personas of the config's folders and of its mods."""
    from server.personas.library import PersonaLibrary
    from server.plugins.mods import Mods

    mods = Mods.load(settings.mods.folders, settings.mods.enabled)
    library = PersonaLibrary((*settings.personas, *mods.persona_folders))
    library.load()
    return library


def _personas(settings: Settings, npc: str | None) -> Mapping[str, Mapping[str, Any]]:
    library = library_of(settings)
    ids = library.ids() if npc is None else (npc,)
    found = ((each, library.get(each)) for each in ids)
    return {each: persona.model_dump(mode="json", exclude_defaults=True) for each, persona in found if persona}


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Whole or not at all: a file of that name stays until the new one is ready."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
