"""The same way through servers that are not ours: llama-cpp-python's on such a file, and LiteLLM's proxy before it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from server.bench.processes import end
from server.bench.route.peers import litellm
from tests.support.fault_server import closed_port
from tests.support.program import config, player, program
from tests.support.tiny_gguf import write_tiny_lfm2

pytestmark = pytest.mark.engine

START_S = 60.0
MODEL = "tiny"
LITELLM = "BARKEEP_LITELLM"
"""Names the `litellm` command of an environment of its own: its many pins do not go together with ours."""


@asynccontextmanager
async def llama_server(folder: Path) -> AsyncIterator[str]:
    """llama-cpp-python's server on a free port of loopback; its base URL."""
    path = folder / "tiny.gguf"
    write_tiny_lfm2(path, context=8_192)
    port = closed_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "llama_cpp.server", "--model", str(path), "--model_alias", MODEL, "--n_ctx", "8192",
        "--n_threads", "1", "--host", "127.0.0.1", "--port", str(port),
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
        await end(process)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


async def test_a_player_speaks_and_a_hosted_model_answers(tmp_path: Path) -> None:
    async with llama_server(tmp_path) as url:
        settings = settings_for(tmp_path, url)
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


@pytest.mark.skipif(not os.environ.get(LITELLM), reason=f"{LITELLM} names no `litellm` command")
@pytest.mark.timeout(240)  # LiteLLM imports for up to a minute where Python has not compiled it yet
async def test_a_player_speaks_and_a_proxy_passes_it_on(tmp_path: Path) -> None:
    command = Path(os.environ[LITELLM])
    async with llama_server(tmp_path) as url, litellm(command, url, MODEL, tmp_path) as proxy:
        settings = settings_for(tmp_path, proxy.base_url, api_key=proxy.key)
        async with program(tmp_path, settings) as running, player(running, stream="tokens") as one:
            await running.until_ready("hosted")
            await one.ask("scene", present=[{"npc": "hilda"}])
            for words in ("Any rooms left?", "And what does supper cost?"):
                answer = await one.ask("say", text=words, to="hilda")
                check(one.seen, await one.until("turn.end", turn=answer["turns"][0]["turn"]))


@pytest.mark.skipif(not os.environ.get(LITELLM), reason=f"{LITELLM} names no `litellm` command")
@pytest.mark.timeout(240)  # as above
async def test_a_proxy_that_refuses_the_key_costs_the_route_and_not_the_turn(tmp_path: Path) -> None:
    command = Path(os.environ[LITELLM])
    async with litellm(command, f"http://127.0.0.1:{closed_port()}/v1", MODEL, tmp_path) as proxy:
        settings = settings_for(tmp_path, proxy.base_url, api_key="sk-of-somebody-else")
        settings["routes"]["authored"] = {"kind": "authored"}
        settings["dialogue"]["order"] = ["hosted", "authored"]
        async with program(tmp_path, settings) as running, player(running) as one:
            await one.ask("scene", present=[{"npc": "hilda"}])
            answer = await one.ask("say", text="Any rooms left?", to="hilda")
            end = await one.until("turn.end", turn=answer["turns"][0]["turn"])
            notice = await one.until("notice", code="route_failed")
        assert end["route"]["attempts"][0]["outcome"] == "rejected"
        assert (end["reason"], end["route"]["name"], end["degraded"]) == ("done", "authored", True)
        assert end["heard"]
        assert "api_key" in notice["hint"]
        assert "sk-of-somebody-else" not in "".join(running.said)


def settings_for(folder: Path, url: str, **route: str) -> dict[str, Any]:
    routes = {"hosted": {"kind": "openai", "base_url": url, "model": MODEL, **route}}
    return config(folder, routes, budget={"hosted": {"reply_tokens": 24}})


def check(seen: list[dict[str, Any]], end: dict[str, Any]) -> None:
    """Structure, route and budget; the words of random weights are noise, and may be none."""
    assert [message["seq"] for message in seen] == list(range(1, len(seen) + 1))
    assert end["route"]["attempts"][0]["route"] == "hosted"
    turn = end["turn"]
    said = "".join(each["text"] for each in seen if each["type"] == "token" and each["turn"] == turn)
    assert end["text"] == said.strip()
    if end["reason"] == "done":
        assert end["route"]["name"] == "hosted"
        assert end["heard"]
        assert 0 < end["tokens"]["reply"] <= 25
    else:
        assert end["route"]["attempts"][0]["outcome"] == "empty"
    assert sum(block["tokens"] for block in end["blocks"]) <= 1_536
