"""SillyTavern as it comes from npm, in a process of its own, and its server's API as its page calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from server.bench.processes import end
from tests.frontends.places import environment, start_command
from tests.support.fault_server import closed_port

START_S = 180.0


class SillyTavern:
    """One that runs at `url`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._headers: dict[str, str] = {}

    async def greet(self) -> None:
        """Fetch the token that each later call brings along."""
        async with self._session.get(f"{self.url}/csrf-token") as answer:
            self._headers["X-CSRF-Token"] = (await answer.json())["token"]

    def post(self, path: str, **body: Any) -> Any:
        """A call to come into; its answer is read in the block."""
        return self._session.post(f"{self.url}/api/{path}", json=body, headers=self._headers)

    async def ask(self, path: str, **body: Any) -> Any:
        """The JSON that a call brings."""
        async with self.post(path, **body) as answer:
            assert answer.status == 200, (answer.status, await answer.text())
            return await answer.json(content_type=None)


@asynccontextmanager
async def sillytavern(folder: Path) -> AsyncIterator[SillyTavern]:
    """SillyTavern on a free port of loopback, all its data in `folder`; it ends with the block."""
    port = closed_port()
    command, where = start_command(folder, port)
    with (folder / "log.txt").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=where, env=environment(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            one = SillyTavern(f"http://127.0.0.1:{port}", session)
            async with asyncio.timeout(START_S):
                while not await _answers(one):
                    assert process.returncode is None, (folder / "log.txt").read_text("utf-8", "replace")[-4_000:]
                    await asyncio.sleep(0.1)
            yield one
    finally:
        await end(process)


async def _answers(one: SillyTavern) -> bool:
    try:
        await one.greet()
    except aiohttp.ClientConnectionError:
        return False
    return True
