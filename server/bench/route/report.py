"""The figures of the route bench, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from server import __version__
from server.bench.figures import Spread
from server.bench.report import machine, machine_line

ADDED_AIM_MS = 1.0
"""For p99 of one call at a time, from its beginning to the end of its reply."""
BASE = "direct"


@dataclass(frozen=True, slots=True)
class Measured:
    """So many calls at once: each contestant's times to the first text, and to the end of the reply."""

    at_once: int
    first_text: Mapping[str, Spread]
    whole: Mapping[str, Spread]


def as_table(rows: Sequence[Measured]) -> str:
    """The figures for people."""
    return "\n".join([machine_line(), *(line for row in rows for line in ("", *_lines(row)))])


def as_json(rows: Sequence[Measured]) -> str:
    """The figures for programs. What is added is a difference of percentiles; the aim is for the p99 of one at once."""
    values = {
        "barkeep": __version__,
        "machine": machine(),
        "clock": "time.monotonic_ns",
        "aim_ms": {"whole_added_p99": ADDED_AIM_MS},
        "rows": [
            {
                "at_once": row.at_once,
                "ms": {"first_text": _values(row.first_text), "whole": _values(row.whole)},
            }
            for row in rows
        ],
    }
    return json.dumps(values, indent=2) + "\n"


def added(spreads: Mapping[str, Spread], name: str) -> tuple[float, float]:
    """What `name` adds to a direct call, at p50 and at p99, in milliseconds."""
    own, base = spreads[name], spreads[BASE]
    return round(own.p50 - base.p50, 4), round(own.p99 - base.p99, 4)


def _values(spreads: Mapping[str, Spread]) -> dict[str, dict[str, float]]:
    return {
        name: {**asdict(spread), **dict(zip(("added_p50", "added_p99"), added(spreads, name), strict=True))}
        for name, spread in spreads.items()
    }


def _lines(row: Measured) -> Iterator[str]:
    yield f"{row.at_once} at once"
    yield f"  {'milliseconds':<28}{'p50':>10}{'p99':>10}{'added p50':>12}{'added p99':>12}{'calls':>8}  aim"
    for title, spreads in (("first text", row.first_text), ("whole reply", row.whole)):
        for name, spread in spreads.items():
            p50, p99 = added(spreads, name)
            extra = f"{'':>24}" if name == BASE else f"{p50:>12.3f}{p99:>12.3f}"
            is_aim = name == "barkeep" and row.at_once == 1 and title == "whole reply"
            aim = f"  added p99 <= {ADDED_AIM_MS:g}" if is_aim else ""
            yield f"  {f'{title}, {name}':<28}{spread.p50:>10.3f}{spread.p99:>10.3f}{extra}{spread.samples:>8}{aim}"
