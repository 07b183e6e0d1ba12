"""What the bench found, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from server import __version__
from server.bench.figures import Spread
from server.bench.load import Load

SAY_TO_REQUEST_AIM_MS = 5.0
TOKEN_TO_FRAME_AIM_MS = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One load and its figures.

    Attributes:
        load: The clients and their pace.
        turns: Measured turns of all clients together.
        says_per_second: Lines a second that all clients together really said, warm-up included.
        cpu_ms_per_turn: Processor time that the server's process spent on a turn, its database threads included.
        say_to_request: From a `say` received to the backend being asked.
        token_to_frame: From a backend's token to its frame at the socket.
        client_ok: As the client sees it, from a line sent to its `ok`.
        client_words: The same, to the first `token` frame.
        echo: The same, to an equally long frame from a server that only sends back.
    """

    load: Load
    turns: int
    says_per_second: float
    cpu_ms_per_turn: float
    say_to_request: Spread
    token_to_frame: Spread
    client_ok: Spread
    client_words: Spread
    echo: Spread


def as_table(runs: Sequence[Measured]) -> str:
    """The figures for people."""
    return "\n".join([machine_line(), *(line for run in runs for line in ("", *_rows(run)))])


def as_json(runs: Sequence[Measured]) -> str:
    """The figures for programs; `aims_ms` hold for the p99 of one client."""
    values = {
        "barkeep": __version__,
        "machine": machine(),
        "clock": "time.monotonic_ns",
        "aims_ms": {"say_to_request": SAY_TO_REQUEST_AIM_MS, "token_to_frame": TOKEN_TO_FRAME_AIM_MS},
        "runs": [_run_values(run) for run in runs],
    }
    return json.dumps(values, indent=2) + "\n"


def _run_values(run: Measured) -> dict[str, object]:
    values = asdict(run)
    measures = {name: values.pop(name) for name, _, _ in _MEASURES}
    return {**values, "ms": measures}


_MEASURES: tuple[tuple[str, str, float | None], ...] = (
    ("say_to_request", "say received -> backend asked", SAY_TO_REQUEST_AIM_MS),
    ("token_to_frame", "backend's token -> its frame sent", TOKEN_TO_FRAME_AIM_MS),
    ("client_ok", "client: say sent -> ok", None),
    ("client_words", "client: say sent -> first words", None),
    ("echo", "floor: say echoed by a bare websocket", None),
)


def _rows(run: Measured) -> Iterator[str]:
    load = run.load
    who = load.who if load.clients == 1 else f"{load.who}, each in a world of its own"
    yield (
        f"{who}: {run.says_per_second:.1f} says/s of {load.says_per_second:.1f} wanted, {run.turns} turns after "
        f"{load.warm_up} of warm-up each, {run.cpu_ms_per_turn:.2f} ms of processor time a turn"
    )
    yield f"  {'milliseconds':<40}{'p50':>9}{'p99':>9}{'max':>9}{'samples':>9}  aim"
    for name, title, aim_ms in _MEASURES:
        spread: Spread = getattr(run, name)
        aim = f"  p99 <= {aim_ms:g}" if aim_ms is not None and load.clients == 1 else ""
        yield f"  {title:<40}{spread.p50:>9.3f}{spread.p99:>9.3f}{spread.max:>9.3f}{spread.samples:>9}{aim}"


def machine() -> dict[str, object]:
    """What the figures were taken on, for programs."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count() or 0,
        "python": platform.python_version(),
    }


def machine_line() -> str:
    """The same, for people."""
    found = machine()
    return f"Barkeep {__version__}, Python {found['python']}, {found['system']}, {found['cpus']} CPUs"
