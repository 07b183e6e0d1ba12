"""docs/connect-a-game.md: every client on it is run against a real server, over a connection that breaks too."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from server.config import LimitSettings
from server.protocol.messages import ClientMessage
from tests.docs import pages
from tests.support.program import Program, config, player, program

PAGE = pages.read("docs/connect-a-game.md")
CLIENTS = {block.title: block for block in pages.blocks(PAGE) if block.title}
RUN_S = 30
SERVED = "* hilda: serve "
LINES = ["hilda: One beer.", "hilda: Mind the step."]
Script = list[dict[str, Any]]
QUICK: Script = [{"text": "One beer. "}, {"text": "Mind the step."}]
SLOW: Script = [{"text": "One beer. "}, {"after_ms": 300, "text": "Mind the step."}]
STUCK: Script = [{"text": "One beer. "}, {"after_ms": 60_000, "text": "Never said."}]


def settings(folder: Path, script: Script) -> dict[str, Any]:
    return config(folder, {"local": {"kind": "scripted", "script": script}})


async def run(command: list[str], folder: Path) -> list[str]:
    """What a client prints, line by line; it ends well within its time."""
    async with client(command, folder) as process:
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


@asynccontextmanager
async def client(command: list[str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(RUN_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def saved(folder: Path, title: str) -> str:
    (folder / title).write_text(CLIENTS[title].text, encoding="utf-8")
    return title


def node() -> list[str]:
    """How to run JavaScript that has `WebSocket`, or a skip."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed")
    for command in ([path], [path, "--experimental-websocket"]):
        probe = subprocess.run([*command, "-p", "typeof WebSocket"], capture_output=True, text=True, check=False)
        if probe.stdout.strip() == "function":
            return command
    pytest.skip("this node has no WebSocket")


def url(running: Program) -> str:
    return f"ws://{running.address}/v1/ws"


def test_every_client_is_at_most_60_lines() -> None:
    assert CLIENTS.keys() == {"client.py", "client.mjs", "raw.py", "resume.py"}
    for block in CLIENTS.values():
        assert len(block.text.splitlines()) <= 60, block.title


@pytest.mark.parametrize("title", ["client.py", "client.mjs"])
async def test_a_game_orders_a_beer_and_saves(tmp_path: Path, title: str) -> None:
    command = [*(node() if title.endswith("mjs") else [sys.executable]), saved(tmp_path, title)]
    async with program(tmp_path, settings(tmp_path, QUICK)) as running:
        said = await run([*command, url(running)], tmp_path)
        assert said[0].startswith(SERVED)
        assert said[1:] == LINES
        async with player(running) as one:
            await one.send("recall", npc="hilda", k=9)
            memories = {memory["text"] for memory in (await one.until("memories"))["memories"]}
            await one.ask("load", save="first evening")
    assert any("A beer, please." in memory for memory in memories)
    assert any("One beer. Mind the step." in memory for memory in memories)
    assert any("serve" in memory for memory in memories), "the result of the action is remembered"


@pytest.mark.parametrize("words", ["A beer, please.", "A beer, please. " * 10])
async def test_a_websocket_by_hand_hears_the_answer(tmp_path: Path, words: str) -> None:
    path = tmp_path / saved(tmp_path, "raw.py")
    path.write_text(path.read_text(encoding="utf-8").replace("A beer, please.", words), encoding="utf-8")
    async with program(tmp_path, settings(tmp_path, QUICK)) as running:
        assert await run([sys.executable, "raw.py", *running.address.split(":")], tmp_path) == LINES


async def test_a_client_without_a_server_says_so(tmp_path: Path) -> None:
    async with client([*node(), saved(tmp_path, "client.mjs"), "ws://127.0.0.1:1/v1/ws"], tmp_path) as process:
        _, err = await process.communicate()
    assert b"no server at ws://127.0.0.1:1" in err


class Cable:
    """A TCP connection to a server that can be pulled out: it cuts the first client after its first line."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cut = asyncio.Event()
        self.connections = 0
        self.repaired = asyncio.Event()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await self.repaired.wait() if self.cut.is_set() else None
        host, port = self.address.split(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        upwards = asyncio.create_task(self.pump(reader, far_writer, watch=False), name="to the server")
        await self.pump(far_reader, writer, watch=not self.cut.is_set())
        upwards.cancel()
        for each in (writer, far_writer):
            each.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watch: bool) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
                if watch and re.search(rb'"type": ?"line"', data):
                    self.cut.set()
                    return
        except ConnectionError:
            return


@asynccontextmanager
async def cable(address: str) -> AsyncIterator[tuple[Cable, str]]:
    one = Cable(address)
    async with await asyncio.start_server(one.carry, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        yield one, f"ws://{host}:{port}/v1/ws"


async def test_a_broken_connection_costs_not_a_word(tmp_path: Path) -> None:
    async with program(tmp_path, settings(tmp_path, SLOW)) as running:
        async with cable(running.address) as (broken, address):
            broken.repaired.set()
            assert await run([sys.executable, saved(tmp_path, "resume.py"), address], tmp_path) == LINES
            assert broken.connections == 2
        async with player(running) as one:
            await one.send("recall", npc="hilda", k=50)
            memories = (await one.until("memories"))["memories"]
    assert sum("A beer, please." in memory["text"] for memory in memories) == 1, "said once, though sent twice"


async def test_a_restart_in_the_middle_of_an_answer_is_told(tmp_path: Path) -> None:
    command = [sys.executable, saved(tmp_path, "resume.py")]
    async with (
        program(tmp_path, settings(tmp_path, STUCK)) as first,
        cable(first.address) as (broken, address),
        client([*command, address], tmp_path) as process,
    ):
        await broken.cut.wait()
        await first.kill()
        async with program(tmp_path, settings(tmp_path, QUICK)) as second:
            broken.address = second.address
            broken.repaired.set()
            out, err = await process.communicate()
    assert out.decode().splitlines() == LINES[:1]
    assert "restarted in the middle" in err.decode()
    assert process.returncode == 1


def test_what_to_send_when_names_messages_that_exist() -> None:
    (section,) = (part for part in PAGE.split("\n## ") if part.startswith("What to send when"))
    messages = {each.model_fields["type"].default for each in get_args(get_args(ClientMessage)[0])}
    rows = [line.split(" | ")[1] for line in section.splitlines() if line.startswith("| ")][2:]
    sent = {word for row in rows for word in pages.spans(row)}
    assert messages - sent == {"npc", "recall", "state", "ping"}
    assert sent - messages == {"world", "fraction", "null"}


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{LimitSettings().messages_per_second:.0f} messages a second" in pages.flat(PAGE)
