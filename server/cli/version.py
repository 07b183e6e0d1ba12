"""`barkeep version`: what a bug report should say."""

from __future__ import annotations

import argparse
import platform


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "version",
        help="show versions, for a bug report",
        description="Show the versions of Barkeep, Python, the system and the local engine.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one version a line."""
    from importlib import metadata

    from server import __version__

    try:
        engine = metadata.version("llama-cpp-python")
    except metadata.PackageNotFoundError:
        engine = "not installed"
    print(f"barkeep          {__version__}")
    print(f"python           {platform.python_version()}")
    print(f"system           {platform.system()} {platform.release()} ({platform.machine()})")
    print(f"llama-cpp-python {engine}")
    return 0
