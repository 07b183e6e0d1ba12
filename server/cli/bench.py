"""`barkeep bench`: how fast the server itself is, without a model."""

from __future__ import annotations

import argparse


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "bench", help="measure the server itself", description="Measure what the server adds to a turn, model apart."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    server = commands.add_parser(
        "server",
        help="milliseconds from `say` to the backend, and from its token to the client",
        description="Run turns on a scripted backend without delay, over real websockets on this machine, and show the "
        "time that the server adds: from a `say` received to the backend's request, and from a token to its frame.",
    )
    server.add_argument(
        "--clients", type=int, nargs="+", default=[1, 100], metavar="N", help="clients at once (default: 1 100)"
    )
    server.add_argument("--json", action="store_true", help="print JSON instead of a table")
    server.set_defaults(run=run_server)


def run_server(args: argparse.Namespace) -> int:
    """Measure and print."""
    from server.bench.overhead import run

    return run(clients=args.clients, as_json=args.json)
