"""`barkeep bench lore`."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    lore = commands.add_parser(
        "lore",
        help="milliseconds that a lorebook of a thousand entries takes",
        description="Look through a lorebook of 1,000 entries for what 20 messages bring up, beside a search key by "
        "key, and show the time that each takes.",
    )
    lore.add_argument("--rounds", type=int, default=200, metavar="N", help="times to look (default: 200)")
    lore.add_argument("--seed", type=int, default=0, metavar="N", help="other words (default: 0)")
    lore.set_defaults(run=run_lore)


def run_lore(args: argparse.Namespace) -> int:
    """Measure, and print the table."""
    from server.bench.lore import as_table, run

    print(as_table(run(max(1, args.rounds), args.seed)))
    return 0
