"""The whole program as a process of its own, as a user runs it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
ANSWER_S = 60.0
LISTENS = re.compile(r"listens on ws://(\S+)/v1/ws")


class Program:
    """A running server: where it listens, and what it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []
        self.address = ""
        self._listening = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name="program output")

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.said.append(line.decode())
            if found := LISTENS.search(self.said[-1]):
                self.address = found[1]
                self._listening.set()
        self._listening.set()

    async def listening(self) -> None:
        async with asyncio.timeout(START_S):
            await self._listening.wait()
        assert self.address, "".join(self.said)

    async def get(self, path: str) -> Any:
        """The JSON at `path`."""
        request = Request(f"http://{self.address}{path}")

        def fetch() -> Any:
            with urlopen(request, timeout=10) as response:
                return json.loads(response.read())

        return await asyncio.to_thread(fetch)

    async def until_ready(self, route: str, also: tuple[str, ...] = ()) -> None:
        """Wait until this route can answer, through `loading` and the states in `also`; any other fails at once."""
        async with asyncio.timeout(START_S):
            while True:
                state = {each["name"]: each for each in (await self.get("/health"))["routes"]}[route]
                if state["state"] == "ready":
                    return
                assert state["state"] in ("loading", *also), state
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """Ctrl-C, and its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            code = await self.process.wait()
            await self._reader
        return code

    async def kill(self) -> None:
        """What a power cut does."""
        self.process.kill()
        await self.process.wait()
        await self._reader


@asynccontextmanager
async def program(folder: Path, config: dict[str, Any]) -> AsyncIterator[Program]:
    """A server with this configuration, its data in `folder`; it is ended with the block."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "--config", str(path), "serve",
        cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Program(process)
    try:
        await running.listening()
        yield running
        if process.returncode is None:
            assert await running.stop() == 0, "".join(running.said)
    finally:
        if process.returncode is None:
            await running.kill()


def config(folder: Path, routes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration on a free port with these routes, in their order."""
    return {
        "server": {"port": 0},
        "data_dir": str(folder / "data"),
        "personas": [str(ROOT / "personas")],
        "mods": {"folders": [str(ROOT / "mods")], "enabled": ["tavern"]},
        "routes": routes,
        "dialogue": {"order": list(routes), "first_text_ms": 20_000, "authored_after_ms": 30_000, "turn_ms": 60_000},
        **more,
    }


class Player:
    """A client written with the `websockets` package, in JSON; it knows nothing of our code."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self._ids = 0

    async def send(self, kind: str, **fields: Any) -> str:
        self._ids += 1
        fields.setdefault("id", f"p{self._ids}")
        await self.socket.send(json.dumps({"type": kind, **fields}))
        return str(fields["id"])

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_S):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        self.seen.append(message)
        return message

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Read on until a message of this kind with these fields."""
        while True:
            message = await self.next()
            if message["type"] == kind and all(message.get(key) == value for key, value in fields.items()):
                return message
            assert message["type"] != "error", message

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Send and return the `ok`."""
        sent = await self.send(kind, **fields)
        return await self.until("ok", re=sent)


@asynccontextmanager
async def player(running: Program, **hello: Any) -> AsyncIterator[Player]:
    """A connected player; its first seen message is the welcome."""
    async with connect(f"ws://{running.address}/v1/ws") as socket:
        one = Player(socket)
        await one.send("hello", protocol=1, client={"name": "journey"}, **hello)
        await one.until("welcome")
        yield one
