"""`barkeep serve`: run the server until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.app import Barkeep
    from server.backends.base import RouteState
    from server.config import Settings

_MARKS = {"ready": "+", "loading": "~", "down": "!", "off": "-"}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the server (the default)",
        description="Run the server until Ctrl-C. It listens at once; models load in the background.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    from server.cli.settings import load_settings
    from server.log import configure

    settings = load_settings(args)
    configure(settings.log)
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    from server.app import Barkeep, settle

    stop = asyncio.Event()
    _on_signals(stop)
    barkeep = await Barkeep.start(settings)
    try:
        _say(opening(barkeep))
        settle()
        told = {state.name: state.state for state in barkeep.routes()}
        while not stop.is_set():
            await _wait(stop, 0.5)
            for state in barkeep.routes():
                if told.get(state.name) != state.state:
                    told[state.name] = state.state
                    _say(route_line(state))
    finally:
        _say("stopping")
        await barkeep.close()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except (
            NotImplementedError
        ):  # Windows: Ctrl-C arrives as KeyboardInterrupt, which asyncio.run turns into a cancel
            return


def opening(barkeep: Barkeep) -> str:
    """What a person sees when the server is up: the address, and which routes can answer."""
    npcs = barkeep.stage.library.ids()
    lines = [f"Barkeep listens on {barkeep.url}", "", "Who can answer, in the order they are asked:"]
    lines += [route_line(state) for state in barkeep.routes()]
    lines += ["", f"NPCs: {', '.join(npcs) if npcs else 'none; see `barkeep check`'}"]
    lines += [f"Mods: {', '.join(barkeep.stage.mods.names) or 'none'}"]
    lines += [f"  ! {problem.message}" for problem in barkeep.stage.mods.problems]
    lines += [f"  ! {problem}" for problem in barkeep.stage.library.problems()]
    lines += ["", "Talk from another terminal: ./start.sh talk " + (npcs[0] if npcs else "NPC"), "Ctrl-C ends."]
    return "\n".join(lines)


def route_line(state: RouteState) -> str:
    """One route in plain words."""
    model = f" ({state.model})" if state.model and state.model != state.name else ""
    hint = f": {state.hint}" if state.hint else ""
    return f"  {_MARKS[state.state]} {state.name}{model} is {state.state}{hint}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
