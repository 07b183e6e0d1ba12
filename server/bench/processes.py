"""Servers of others that a bench starts beside our own: a port for one, the wait for its first answer, its end."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Final

import aiohttp

from server.errors import BarkeepError

HOST: Final = "127.0.0.1"
START_S: Final = 120.0
"""LiteLLM imports for up to a minute where Python has not compiled it yet."""
STOP_S: Final = 10.0
_ASK_EVERY_S: Final = 0.2


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def until_alive(name: str, process: asyncio.subprocess.Process, url: str, said: Path) -> None:
    """Wait until `url` answers with 200.

    Raises:
        BarkeepError: the process ended, or takes too long; the message quotes the end of what it said into `said`.
    """
    try:
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
            while process.returncode is None:
                try:
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass  # not there yet
                await asyncio.sleep(_ASK_EVERY_S)
    except TimeoutError:
        pass  # told below, as where it ended
    told = (await asyncio.to_thread(said.read_text, encoding="utf-8", errors="replace")).strip()[-500:]
    raise BarkeepError(f"{name} did not start: {told}", "start it by hand with the same command to see why")


async def end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, and end it where it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
