"""`barkeep spend`: what paid routes cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config import SpendSettings
    from server.memory.spend import Spent

DAYS = 7
LONGEST_DAYS = 36_500
_TITLES = {"day": "day", "npc": "npc", "route": "route and model"}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "spend",
        help="show what paid routes cost",
        description="Show what calls of paid routes cost, by day, NPC or route. It may be run while the server does.",
        epilog="Example: barkeep spend --days 30 --by npc",
    )
    parser.add_argument(
        "--days", type=_days, default=DAYS, metavar="N", help=f"how many days, today included (default: {DAYS})"
    )
    parser.add_argument("--by", choices=tuple(_TITLES), default="day", help="what to add up by (default: day)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the sums."""
    from datetime import date, timedelta

    from server.cli.settings import load_settings
    from server.memory.spend import report
    from server.memory.store import DATABASE_NAME

    settings = load_settings(args)
    since = (date.today() - timedelta(days=args.days - 1)).isoformat()
    rows = report(settings.data_dir / DATABASE_NAME, args.by, since)
    if args.json:
        print(json.dumps({"since": since, "by": args.by, "rows": [asdict(row) for row in rows]}, ensure_ascii=False))
    elif rows:
        print(table(_TITLES[args.by], rows))
        print(f"\n{limits_told(settings.spend)}")
    else:
        print(f"Nothing was spent since {since}.")
    return 0


def table(title: str, rows: Sequence[Spent]) -> str:
    """The rows under a heading, with their sum where there are several."""
    cells: list[tuple[str, ...]] = [(title, "calls", "prompt", "cached", "reply", "cost")]
    cells += [_cells(row) for row in rows]
    if len(rows) > 1:
        cells.append(_cells(_sum_of(rows)))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join((row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:]))).rstrip() for row in cells]
    notes = []
    if unpriced := sum(row.unpriced for row in rows):
        notes.append(f"{_calls(unpriced)} at a price that is not known, left out of the cost.")
    if estimated := sum(row.estimated for row in rows):
        notes.append(f"{_calls(estimated)} whose provider reported no tokens: counted here.")
    return "\n".join([*lines, *([""] if notes else []), *notes])


def limits_told(limits: SpendSettings) -> str:
    """The day's limits in words."""
    usd, tokens = limits.usd_per_day, limits.tokens_per_day
    told = [] if usd is None else [f"{usd:g} USD"]
    told += [] if tokens is None else [f"{tokens:,} tokens"]
    return f"A day's limit: {' and '.join(told) or 'none'}."


def _cells(row: Spent) -> tuple[str, ...]:
    counts = (row.calls, row.prompt_tokens, row.cached_tokens, row.reply_tokens)
    return (row.key, *(f"{count:,}" for count in counts), _usd(row))


def _usd(row: Spent) -> str:
    """Known dollars; a question mark where some are not known."""
    if row.unpriced == row.calls:
        return "?"
    return f"${row.cost_usd:,.4f}{' + ?' if row.unpriced else ''}"


def _sum_of(rows: Sequence[Spent]) -> Spent:
    from server.memory.spend import Spent

    names = ("calls", "prompt_tokens", "cached_tokens", "reply_tokens", "cost_usd", "unpriced", "estimated")
    return Spent("in all", **{name: sum(getattr(row, name) for row in rows) for name in names})


def _calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() else 0
    if not 1 <= days <= LONGEST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {LONGEST_DAYS}")
    return days
