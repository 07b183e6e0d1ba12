"""`barkeep import`: take in a file that `barkeep export` wrote."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.config import Settings
    from server.memory.archive_reader import Imported
    from server.personas.persona import Persona

MAX_FILE_BYTES = 1 << 30


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "import",
        help="take in a file that `export` wrote",
        description="Take in the memory of a world, under its name or another, or of an NPC, behind the present of its "
        "world. Personas that are not here yet are written into the last folder of `personas`. No server may run.",
        epilog="Example: barkeep import hilda.json --world second-run",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--world", metavar="NAME", help="the world it goes into (default: that of the file)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the file into the database, all of it or nothing."""
    from server.cli.settings import load_settings
    from server.memory.archive_reader import parse, read
    from server.memory.files import changed

    settings = load_settings(args)
    archive = parse(_text(args.file))
    _check_patches(archive.tables.get("personas", []))
    personas = _checked(archive.personas)
    done = changed(settings.data_dir, lambda connection: read(connection, archive, args.world or archive.world))
    print(_told(done), file=sys.stderr)
    for line in _keep(settings, personas):
        print(line, file=sys.stderr)
    return 0


def _text(path: Path) -> str:
    """The file's text.

    Raises:
        ArchiveError: it cannot be read.
    """
    from server.errors import ArchiveError

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ArchiveError(f"{path} is larger than {MAX_FILE_BYTES >> 20:,} MiB.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ArchiveError(f"{path} is no text.", "It may be another file.") from None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}.") from None


def _checked(personas: Mapping[str, Any]) -> dict[str, Persona]:
    from pydantic import ValidationError

    from server.errors import ArchiveError
    from server.personas.persona import Persona

    found: dict[str, Persona] = {}
    for npc, data in personas.items():
        try:
            found[npc] = Persona.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ArchiveError(f"personas, {npc!r:.80}: {place}: {first['msg']}.", "Nothing was changed.") from None
        if found[npc].id != npc:
            raise ArchiveError(f"personas, {npc!r:.80}: it has another id.", "Nothing was changed.")
    return found


def _check_patches(rows: Any) -> None:
    """What a game said of its NPCs must be what a game may say, or they could never speak."""
    from server.errors import ArchiveError, PersonaError
    from server.personas.patch import patched

    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or not isinstance(row.get("patch"), dict):
            continue  # the reader tells of it
        try:
            patched(None, str(row.get("npc")), row["patch"])
        except PersonaError as error:
            raise ArchiveError(f"personas: {error.message}.", "Nothing was changed.") from None


def _keep(settings: Settings, personas: Mapping[str, Persona]) -> list[str]:
    """Write the personas that are not here yet; what was done with each, in words."""
    import yaml

    from server.cli.export import library_of

    library = library_of(settings)
    lines: list[str] = []
    for npc, persona in personas.items():
        if library.get(npc) is not None:
            if library.get(npc) != persona:
                lines.append(f"note: {npc} has another persona here, and keeps it")
            continue
        path = settings.personas[-1] / f"{npc}.yaml"
        data = persona.model_dump(mode="json", exclude_defaults=True)
        try:
            with path.open("x", encoding="utf-8") as file:
                yaml.safe_dump(data, file, allow_unicode=True, sort_keys=False)
        except OSError as error:
            lines.append(f"note: the persona of {npc} could not be written to {path}: {error.strerror or error}")
        else:
            lines.append(f"The persona of {npc} is in {path}.")
    return lines


def _told(done: Imported) -> str:
    if done.npc is not None:
        return f"{done.npc} remembers {done.events:,} events in the world {done.world}."
    return f"The world {done.world}: {done.events:,} events, {done.branches:,} branches, {done.saves:,} saves."
