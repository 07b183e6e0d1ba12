"""`barkeep timeline`: the branches and saves of a world, as a tree."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.memory.tree import Save, Stretch, Timeline

_DAY_S = 86_400
_HOUR_S = 3_600


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "timeline",
        help="show the branches and saves of a world",
        description="Show what happened in a world as a tree: each load opened a branch, and nothing is ever deleted "
        "by it. Without a world, all of them. It may be run while the server does.",
    )
    parser.add_argument("world", nargs="?", metavar="WORLD", help="one world alone")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a tree")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the trees."""
    from server.cli.settings import load_settings
    from server.memory.database import Connection
    from server.memory.files import looked_at
    from server.memory.tree import timeline, worlds

    def trees(connection: Connection) -> list[Timeline]:
        return [timeline(connection, world) for world in ([args.world] if args.world else worlds(connection))]

    found = looked_at(load_settings(args).data_dir, trees)
    if args.json:
        print(json.dumps([asdict(each) for each in found], ensure_ascii=False))
    else:
        print("\n\n".join("\n".join(drawn(each)) for each in found) or "No world yet.")
    return 0


def drawn(timeline: Timeline) -> Iterator[str]:
    """The tree, line by line: under each branch its saves, and at its place each branch that begins there."""
    events = sum(branch.events for branch in timeline.branches)
    yield (
        f"{timeline.world}: {_count(events, 'event')}, {_count(len(timeline.branches), 'branch', 'branches')}, "
        f"{_count(len(timeline.saves), 'save')}"
    )
    roots = [branch for branch in timeline.branches if branch.parent is None]
    # A stack, not calls: a game of a thousand loads is a thousand deep.
    waiting: list[tuple[Stretch | Save, str, bool]] = [(root, "", root is roots[-1]) for root in reversed(roots)]
    while waiting:
        item, before, is_last = waiting.pop()
        yield f"{before}{'└─ ' if is_last else '├─ '}{_told(item, timeline)}"
        inside = _inside(item, timeline)
        deeper = before + ("   " if is_last else "│  ")
        waiting += [(each, deeper, index == 0) for index, each in enumerate(reversed(inside))]


def _inside(item: Stretch | Save, timeline: Timeline) -> list[Stretch | Save]:
    from server.memory.tree import Save

    if isinstance(item, Save):
        return [branch for branch in timeline.branches if _begins_at(branch, item)]
    saves = [save for save in timeline.saves if save.branch == item.branch]
    loose = [
        branch
        for branch in timeline.branches
        if branch.parent == item.branch and not any(_begins_at(branch, save) for save in saves)
    ]
    return sorted([*saves, *loose], key=lambda each: each.seq if isinstance(each, Save) else each.parent_seq)


def _begins_at(branch: Stretch, save: Save) -> bool:
    return (branch.parent, branch.parent_seq) == (save.branch, save.seq)


def _told(item: Stretch | Save, timeline: Timeline) -> str:
    from server.memory.tree import Save

    written = datetime.fromtimestamp(item.wall_s).strftime("%Y-%m-%d %H:%M")
    if isinstance(item, Save):
        at = "" if item.time is None else f", {_game_time(item.time)}"
        return f"save {json.dumps(item.save, ensure_ascii=False)} ({written}{at})"
    span = ""
    if item.first_time is not None and item.last_time is not None:
        span = f", {_game_time(item.first_time)} to {_game_time(item.last_time)}"
    here = "  <- the present" if item.branch == timeline.head else ""
    return f"branch {item.branch} ({written}; {_count(item.events, 'event')}{span}){here}"


def _game_time(time: float) -> str:
    day, rest = divmod(time, _DAY_S)
    hour, rest = divmod(rest, _HOUR_S)
    return f"day {int(day) + 1} {int(hour):02}:{int(rest // 60):02}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
