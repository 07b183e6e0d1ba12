"""The options that every command takes, before its name or after it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_DEEPEST = 2
"""`barkeep model pull` is two below `barkeep`."""


class Parser(argparse.ArgumentParser):
    """A parser with `--config` and `--set`; argparse makes the parsers of commands from the same class.

    A command's parser fills a namespace of its own that overwrites the outer one, so each level keeps its own names,
    and `config_of` and `sets_of` put them together.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})
        level = self.prog.count(" ")
        group = self.add_argument_group("settings")
        group.add_argument(
            "--config",
            dest=f"config_{level}",
            type=Path,
            metavar="PATH",
            help="the config.yaml to use (default: Barkeep's own)",
        )
        group.add_argument(
            "--set",
            dest=f"set_{level}",
            action="append",
            metavar="KEY=VALUE",
            help="a key of config.yaml and its value for this run, such as log.level=debug; may be repeated",
        )


def config_of(args: argparse.Namespace) -> Path | None:
    """The file that `--config` named; the innermost counts."""
    named = [getattr(args, f"config_{level}", None) for level in range(_DEEPEST + 1)]
    return next((path for path in reversed(named) if path is not None), None)


def sets_of(args: argparse.Namespace) -> list[str]:
    """What all `--set` said, in the order of the command line."""
    return [text for level in range(_DEEPEST + 1) for text in getattr(args, f"set_{level}", None) or ()]
