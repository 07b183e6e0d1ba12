"""`barkeep gc`: what no save and no present leads to any more."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.memory.garbage import Garbage


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "gc",
        help="delete undone futures that no save leads to",
        description="Say what can be reached neither from the present of a world nor from any of its saves, and with "
        "--yes delete it for good. Nothing else ever deletes memory.",
    )
    parser.add_argument("world", nargs="?", metavar="WORLD", help="one world alone (default: all)")
    parser.add_argument("--yes", action="store_true", help="delete it; the server must not run")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print what there is; with `--yes` delete it."""
    from server.cli.settings import load_settings
    from server.memory import garbage
    from server.memory.database import Connection
    from server.memory.files import changed, looked_at
    from server.memory.tree import timeline, worlds

    def named(connection: Connection) -> list[str]:
        return [timeline(connection, args.world).world] if args.world else worlds(connection)

    data_dir = load_settings(args).data_dir
    found = looked_at(data_dir, lambda connection: [garbage.find(connection, world) for world in named(connection)])
    if args.yes and any(each.branches or each.rows for each in found):
        found = changed(
            data_dir,
            lambda connection: [garbage.collect(connection, world) for world in named(connection)],
            compact=True,
        )
    for each in found:
        print(told(each))
    if not args.yes and any(each.branches or each.rows for each in found):
        print("Nothing was deleted; `barkeep gc --yes` does it.", file=sys.stderr)
    return 0


def told(garbage: Garbage) -> str:
    """One world's garbage in a line."""
    if not garbage.branches and not garbage.rows:
        return f"{garbage.world}: nothing; everything leads to the present or to a save"
    rows = [f"{count:,} in {table}" for table, count in sorted(garbage.rows.items())]
    return f"{garbage.world}: {len(garbage.branches)} whole branches; rows: {', '.join(rows) or 'none'}"
