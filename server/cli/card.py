"""`barkeep card`: take in character cards and lorebooks, write personas as cards, and look at one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.config import Settings
    from server.personas.cards.file import CardFile

_WIDTH = 100


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "card",
        help="import, export and show character cards and lorebooks",
        description="Character cards (V1, V2 and V3; PNG, APNG, JSON, CHARX) and lorebooks. A card in a folder of "
        "personas is an NPC; a server that runs finds it within a second.",
        epilog="Example: barkeep card import hilda.png",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    importing = actions.add_parser("import", help="put a card or a lorebook into the last folder of `personas`")
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.add_argument(
        "--id", metavar="ID", help="the NPC's id (default: made of the name); of a lorebook: whose it is"
    )
    importing.add_argument("--replace", action="store_true", help="replace the card of that id")
    importing.set_defaults(run=run_import)
    exporting = actions.add_parser("export", help="write a persona as a card")
    exporting.add_argument("id", metavar="ID")
    exporting.add_argument("file", type=Path, metavar="FILE", help="its suffix says how: .png, .json or .charx")
    exporting.set_defaults(run=run_export)
    showing = actions.add_parser("show", help="say what a card holds")
    showing.add_argument("file", type=Path, metavar="FILE")
    showing.set_defaults(run=run_show)


def run_import(args: argparse.Namespace) -> int:
    """Look through the file and keep it."""
    from server.cli.settings import load_settings
    from server.personas.cards.file import bounded
    from server.personas.shelving import keep

    settings = load_settings(args)
    kept = keep(bounded(args.file), settings.personas[-1], args.id, name=args.file.stem, is_replacing=args.replace)
    for note in kept.notes:
        print(f"note: {_line(note)}", file=sys.stderr)
    what = f"{kept.name} is" if kept.kind == "card" else f"The lorebook {kept.name} is"
    print(f"{_line(what)} in {kept.path}.", file=sys.stderr)
    print(kept.id)
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write the card; what it cannot hold is told."""
    from server.cli.settings import load_settings
    from server.errors import CardError
    from server.personas.cards.export import container_of, lost, written

    container = container_of(args.file.suffix)
    file = _card_of(load_settings(args), args.id)
    data = written(file, container)
    try:
        args.file.write_bytes(data)
    except OSError as error:
        raise CardError(f"{args.file} cannot be written: {error.strerror or error}.", "Check the path.") from None
    for name in lost(file, container):
        print(f"note: {_line(name)} is not in it", file=sys.stderr)
    print(f"{args.id} is in {args.file}.", file=sys.stderr)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what the card says, a line for each thing."""
    from server.personas import loader
    from server.personas.cards.file import bounded, read
    from server.personas.shelving import told_of

    file = read(bounded(args.file))
    loader.persona_of(file, loader.id_of(args.file.stem) or "card")
    for line in _shown(file):
        print(line)
    for note in told_of(file.card):
        print(f"note: {_line(note)}", file=sys.stderr)
    return 0


def _card_of(settings: Settings, persona_id: str) -> CardFile:
    """The card that a persona is, or one made of it.

    Raises:
        CardError: there is no such persona, or its card cannot be read any more.
    """
    from server.cli.export import library_of
    from server.errors import CardError
    from server.personas.cards.export import of_persona
    from server.personas.cards.file import SUFFIXES, bounded, read

    library = library_of(settings)
    persona, path = library.get(persona_id), library.file(persona_id)
    if persona is None or path is None:
        raise CardError(f"There is no persona {persona_id}.", f"There are {', '.join(library.ids())}.")
    return read(bounded(path)) if path.suffix.lower() in SUFFIXES else of_persona(persona)


def _shown(file: CardFile) -> Iterator[str]:
    card, data = file.card, file.card.data
    book = data.character_book or {}
    entries = book.get("entries")
    yield f"name: {_line(data.name)}"
    if data.nickname:
        yield f"nickname: {_line(data.nickname)}"
    yield f"card: version {card.version} in {file.container}"
    for field in ("creator", "character_version", "description", "personality", "scenario", "first_mes"):
        if text := getattr(data, field).strip():
            yield f"{field}: {_line(text)}"
    yield f"tags: {_line(', '.join(data.tags))}"
    yield f"greetings: {len(card.greetings)}, for groups {len(card.group_greetings)}"
    yield f"book: {len(entries) if isinstance(entries, list) else 0} entries"
    for asset in card.assets:
        yield f"asset: {_line(f'{asset.type} {asset.name} ({asset.ext}) {asset.uri}')}"


def _line(text: str) -> str:
    """A stranger's text on one line of a terminal."""
    from server.text.control import neutralise, one_line

    line = one_line(neutralise(text))
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
