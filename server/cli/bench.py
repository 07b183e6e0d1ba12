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
        "--clients", type=_count, nargs="+", default=[1, 100], metavar="N", help="clients at a time (default: 1 100)"
    )
    server.add_argument(
        "--turns", type=_count, default=600, metavar="N", help="turns of each client, at most (default: 600)"
    )
    server.add_argument(
        "--seconds", type=_count, default=30, metavar="S", help="begin no turn after so long (default: 30)"
    )
    server.add_argument("--json", action="store_true", help="print JSON instead of a table")
    server.set_defaults(run=run_server)


def run_server(args: argparse.Namespace) -> int:
    """Measure and print."""
    from server.bench import report, server_bench
    from server.bench.load import load_of
    from server.cli.settings import load_settings

    settings = load_settings(args)
    runs = server_bench.run(settings, [load_of(clients, args.turns, args.seconds) for clients in args.clients])
    print((report.as_json(runs) if args.json else report.as_table(runs)).rstrip())
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
