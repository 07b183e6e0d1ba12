"""The same way through an OpenAI-compatible server that is not ours: llama-cpp-python's own, on such a file."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.support.program import config, player, program
from tests.support.tiny_gguf import write_tiny_lfm2

pytestmark = pytest.mark.engine

START_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def upstream(folder: Path) -> AsyncIterator[str]:
    """llama-cpp-python's server on a free port of loopback; its base URL."""
    path = folder / "tiny.gguf"
    write_tiny_lfm2(path, context=8_192)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "llama_cpp.server", "--model", str(path), "--n_ctx", "8192", "--n_threads", "1",
        "--host", "127.0.0.1", "--port", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/v1"
    try:
        async with asyncio.timeout(START_S):
            while not await asyncio.to_thread(answers, f"{url}/models"):
                assert process.returncode is None, "the upstream server did not start"
                await asyncio.sleep(0.1)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


async def test_a_player_speaks_and_a_hosted_model_answers(tmp_path: Path) -> None:
    async with upstream(tmp_path) as url:
        routes = {"hosted": {"kind": "openai", "base_url": url, "model": "tiny"}}
        settings = config(tmp_path, routes, budget={"reply_tokens": 24})
        async with program(tmp_path, settings) as running:
            async with player(running, stream="tokens") as one:
                await running.until_ready("hosted")
                await one.ask("scene", present=[{"npc": "hilda"}])
                answer = await one.ask("say", text="Any rooms left?", to="hilda")
                (turn,) = answer["turns"]
                end = await one.until("turn.end", turn=turn["turn"])
                check(one.seen, end)
                session = one.seen[0]["session"]
            async with player(running, resume={"session": session, "seq": answer["seq"]}) as back:
                await back.until("turn.end", turn=turn["turn"])
                assert back.seen[0]["resumed"] is True
        resume = {"session": session, "seq": 1}
        async with program(tmp_path, settings) as running, player(running, resume=resume) as back:
            assert (back.seen[0]["resumed"], back.seen[0]["last_id"]) == (False, answer["re"])
            await back.send("recall", npc="hilda", query="rooms")
            memories = (await back.until("memories"))["memories"]
            assert any("Any rooms left?" in memory["text"] for memory in memories)


def check(seen: list[dict[str, Any]], end: dict[str, Any]) -> None:
    """Structure, route and budget; the words of random weights are noise, and may be none."""
    assert [message["seq"] for message in seen] == list(range(1, len(seen) + 1))
    assert end["route"]["attempts"][0]["route"] == "hosted"
    said = "".join(message["text"] for message in seen if message["type"] == "token")
    assert end["text"] == said.strip()
    if end["reason"] == "done":
        assert end["route"]["name"] == "hosted"
        assert end["heard"]
        assert 0 < end["tokens"]["reply"] <= 25
    else:
        assert end["route"]["attempts"][0]["outcome"] == "empty"
    assert sum(block["tokens"] for block in end["blocks"]) <= 1_536
