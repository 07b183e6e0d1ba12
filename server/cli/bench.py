"""`barkeep bench`: how fast the server itself is, how fast the local engine is, and models to measure with."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

TURNS = 400
SECONDS = 20.0


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench",
        help="measure the server and the local engine",
        description="Measure what the server adds to a turn, and what the local engine makes of one.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_server(commands)
    _add_make_model(commands)


def _add_server(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    server = commands.add_parser(
        "server",
        help="milliseconds from `say` to the backend, and from its token to the client",
        description="Run turns on a scripted backend without delay, over real websockets on this machine, and show the "
        "time that the server adds: from a `say` received to the backend's request, and from a token to its frame.",
    )
    server.add_argument(
        "--clients", type=_count, nargs="+", default=[1, 100], metavar="N", help="clients at once (default: 1 100)"
    )
    server.add_argument(
        "--turns", type=_count, default=TURNS, metavar="N", help=f"turns of each client at most (default: {TURNS})"
    )
    server.add_argument(
        "--seconds",
        type=_seconds,
        default=SECONDS,
        metavar="S",
        help=f"how long each number of clients talks at most, warm-up apart (default: {SECONDS:g})",
    )
    server.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    server.set_defaults(run=run_server)


def _add_make_model(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from server.bench.model.make import QUANTS
    from server.bench.model.shape import SHAPES

    make = commands.add_parser(
        "make-model",
        help="write a random-weight LFM2 of true shape to measure with",
        description="Write a GGUF of LFM2's true shape with random weights: it says noise at the speed of the real "
        "one. The 2.6B shape takes some 2 minutes on two cores, and 7 GB of disk meanwhile.",
    )
    make.add_argument("path", type=Path, metavar="PATH", help="the file to write")
    make.add_argument("--shape", choices=list(SHAPES), default="350M", help="which LFM2 (default: 350M)")
    make.add_argument("--quant", choices=QUANTS, default=QUANTS[0], help=f"its weights (default: {QUANTS[0]})")
    make.add_argument("--seed", type=_whole, default=0, metavar="N", help="another model of that shape (default: 0)")
    make.add_argument("--threads", type=_count, metavar="N", help="threads that quantise (default: all)")
    make.set_defaults(run=run_make_model)


def run_server(args: argparse.Namespace) -> int:
    """Measure, print the table, and write the file."""
    from server.bench.load import load_of
    from server.bench.report import as_json, as_table
    from server.bench.server_bench import run
    from server.cli.settings import load_settings
    from server.config import LogSettings
    from server.errors import BarkeepError
    from server.log import configure

    settings = load_settings(args)
    configure(LogSettings(level="warning"))
    found = run(settings, [load_of(clients, args.turns, args.seconds) for clients in args.clients])
    print(as_table(found))
    if args.json is not None:
        try:
            args.json.write_text(as_json(found), encoding="utf-8")
        except OSError as error:
            raise BarkeepError(f"{args.json} cannot be written: {error.strerror}", "name another file") from error
        print(f"wrote {args.json}", file=sys.stderr)
    return 0


def run_make_model(args: argparse.Namespace) -> int:
    """Write the model and say where it is."""
    from server.bench.model.make import make_model
    from server.bench.model.shape import SHAPES

    path = make_model(args.path, SHAPES[args.shape], args.quant, seed=args.seed, threads=args.threads or 0)
    print(f"{path} is ready, {path.stat().st_size / 1e9:.2f} GB.")
    return 0


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError("above 0")
    return seconds
