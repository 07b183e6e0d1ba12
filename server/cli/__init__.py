"""The command `barkeep`: one module per command, each with `add(subparsers)` and `run(args) -> int`.

Exit codes: 0 done, 1 it did not work, 2 the command line or the configuration is wrong, 130 stopped by Ctrl-C.
What a command says about itself goes to stderr; stdout holds its result alone. Commands import what they need when they
run, so that `--help` is there at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from server import __version__
from server.cli import (
    bench,
    card,
    check,
    explain,
    export,
    gc,
    importing,
    model,
    schema,
    serve,
    spend,
    talk,
    timeline,
    version,
)
from server.cli.options import Parser
from server.errors import BarkeepError, ConfigError

COMMANDS = (serve, talk, check, card, model, timeline, export, importing, gc, spend, explain, bench, schema, version)

_DESCRIPTION = """\
Barkeep gives game characters a mind of their own: a local server that a game, a mod or a
roleplay frontend talks to. Without a command it serves."""
_EPILOG = """\
examples:
  barkeep                              run the server on 127.0.0.1:8642
  barkeep talk hilda                   talk to an NPC in the terminal
  barkeep talk hilda "Any rooms left?" say one line, print the answer, end
  barkeep model pull                   fetch the default model (1.56 GB)
  barkeep check                        look for mistakes in config.yaml, personas and mods
  barkeep --set server.port=8650       any key of config.yaml, for this run
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; mistakes are told in words, with a hint."""
    args = build_parser().parse_args(argv)
    try:
        code: int = args.run(args)
        print(end="", flush=True)  # where stdout is closed, `sys.stdout` is None
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, `head` for instance, has had enough
        _close_stdout()
        return 1
    except BarkeepError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except OSError as error:  # what a command prints goes to a full disk, say
        print(f"error: {error}", file=sys.stderr)
        _close_stdout()
        return 1
    return code


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="barkeep",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"barkeep {__version__}")
    parser.set_defaults(run=serve.run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return parser


def _close_stdout() -> None:
    """Points stdout at nothing, so that the interpreter does not fail again when it flushes at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
