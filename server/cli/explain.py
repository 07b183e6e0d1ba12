"""`barkeep explain`: what one turn's prompt was made of, what was recalled, who was asked, and where the time went."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.memory.turns import KeptTurn

_WHY = {
    "share": "its own share was full",
    "turn": "what a turn may add was full",
    "prompt": "the whole prompt was full",
    "time": "no more could be read before the deadline",
}
_TIMES = {
    "queue": "waiting for its turn to speak",
    "recall": "reading memory",
    "prompt": "building prompts",
    "first_token": "from receipt to the first token",
    "first_line": "from receipt to the first line",
    "total": "from receipt to the end",
}
_TEXT_WIDTH = 72


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain",
        help="show why a turn went as it did",
        description="Show which blocks went into a turn's prompt and what was dropped, which memories came up and why, "
        "which routes were asked, and where each millisecond went. It may be run while the server does.",
        epilog="Example: barkeep explain t42. The id is in `turn.start` and `turn.end`; `last` is the newest turn.",
    )
    parser.add_argument("turn", metavar="TURN", help="the turn's id, such as t42, or last")
    parser.add_argument("--json", action="store_true", help="print the trace as JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the turn."""
    from server.cli.settings import load_settings
    from server.memory.database import look
    from server.memory.store import DATABASE_NAME
    from server.memory.turns import find

    path = load_settings(args).data_dir / DATABASE_NAME
    kept = look(path, lambda connection: find(connection, args.turn))
    if args.json:
        print(json.dumps(kept.trace, ensure_ascii=False, indent=2))
    else:
        print(explained(kept))
    return 0


def explained(kept: KeptTurn) -> str:
    """The turn as tables."""
    trace = kept.trace
    parts = [f"{kept.turn}: {kept.npc} in the world {kept.world}, {kept.state}"]
    if kept.asked:
        parts.append(f"asked:  {_short(kept.asked)}")
    if kept.heard:
        parts.append(f"heard:  {_short(kept.heard)}")
    if not trace:
        return "\n".join([*parts, "", "Nothing else is known: the server ended before the turn did."])
    parts += ["", *_blocks(trace)]
    if recalled := trace.get("recalled"):
        parts += ["", *_recalled(recalled)]
    if lore := trace.get("lore"):
        parts += ["", *_lore(lore)]
    return "\n".join([*parts, "", *_routes(trace), "", *_times(trace)])


def _blocks(trace: dict[str, Any]) -> list[str]:
    rows = [
        (block["name"], str(block["tokens"]), str(block["dropped"] or ""), _WHY.get(block.get("why", ""), ""))
        for block in trace["blocks"]
    ]
    tokens = trace["tokens"]
    told = f"{tokens['prompt']} tokens of prompt, {tokens['evaluated']} of them read anew, {tokens['reply']} of reply"
    return [*_table(("block", "tokens", "dropped", "why"), rows, right={1, 2}), told]


def _recalled(recalled: Iterable[dict[str, Any]]) -> list[str]:
    rows = [
        (
            f"{one['score']:.2f}",
            "yes" if one["in_prompt"] else "no",
            str(one["event"]),
            _short(one["text"]),
            ", ".join([*(f"{part} {value:.2f}" for part, value in one["why"].items()), *_hop(one)]),
        )
        for one in recalled
    ]
    return _table(("recalled", "in prompt", "event", "memory", "why"), rows, right={0, 2})


def _lore(lore: Iterable[dict[str, Any]]) -> list[str]:
    rows = [
        (one["entry"], one["outcome"], str(one["tokens"]), "yes" if one["in_prompt"] else "no", _short(one["why"]))
        for one in lore
    ]
    return _table(("lore", "outcome", "tokens", "in prompt", "why"), rows, right={2})


def _hop(one: dict[str, Any]) -> list[str]:
    return ["by way of another memory"] if one["hop"] > 1 else []


def _routes(trace: dict[str, Any]) -> list[str]:
    answered = trace["route"]["name"]
    rows = [
        (each["route"], each["outcome"], str(each["ms"]), "answered" if each["route"] == answered else "")
        for each in trace["route"]["attempts"]
    ]
    return _table(("route", "outcome", "ms", ""), rows, right={2}) if rows else ["No route was asked."]


def _times(trace: dict[str, Any]) -> list[str]:
    rows = [(f"{ms:.1f}", told) for name, told in _TIMES.items() if (ms := trace["ms"].get(name)) is not None]
    return _table(("ms", "spent"), rows, right={0})


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]) -> list[str]:
    widths = [max(len(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heading, *rows)
    ]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_WIDTH else f"{line[: _TEXT_WIDTH - 1]}…"
