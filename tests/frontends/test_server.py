"""SillyTavern's own server, unmodified, against a running Barkeep: both of its kinds of backend."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.request import urlopen

import pytest

from tests.frontends.conftest import CONTEXT
from tests.frontends.sillytavern import SillyTavern
from tests.support.program import Program

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CHAT = [
    {"role": "system", "content": "You are Tilda, who mends nets by the quay."},
    {"role": "system", "name": "example_user", "content": "Busy?"},
    {"role": "system", "name": "example_assistant", "content": "Nets don't mend themselves."},
    {"role": "system", "content": "[Start a new chat]"},
    {"role": "assistant", "content": "You again, Bram?"},
    {"role": "user", "content": "Any eels today?"},
    {"role": "system", "content": "Stay at the quay."},
]
"""The shape of its first turn: system messages in the middle, with names, and last."""
LONG = 6_000
"""Tokens that take seconds to say."""


def chat(running: Program, **more: Any) -> dict[str, Any]:
    """What its page sends for the source `custom`; at this temperature the tiny model never ends by itself."""
    yaml = {"custom_include_headers": "", "custom_include_body": "", "custom_exclude_body": ""}
    backend = {"chat_completion_source": "custom", "custom_url": f"http://{running.address}/v1", **yaml}
    sampling = {"temperature": 0, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
    return {**backend, **sampling, "model": "local", "messages": CHAT, "max_tokens": 12, **more}


def text(running: Program, kind: str, **more: Any) -> dict[str, Any]:
    """What its page sends for a text completion source."""
    url = f"http://{running.address}"
    return {"api_type": kind, "api_server": url, "url": url, "model": "local", **more}


def events(body: str) -> list[dict[str, Any]]:
    """The frames of a stream that ends as it should."""
    *frames, last = re.findall(r"^data: (.*)$", body, re.MULTILINE)
    assert last == "[DONE]"
    return [json.loads(frame) for frame in frames]


async def running_now(server: Program) -> int:
    """How many generations are under way."""

    def fetch() -> str:
        with urlopen(f"http://{server.address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    [count] = re.findall(r"^barkeep_generations_running (\S+)$", await asyncio.to_thread(fetch), re.MULTILINE)
    return round(float(count))


async def until_running(server: Program, count: int) -> None:
    async with asyncio.timeout(20):
        while await running_now(server) != count:  # noqa: ASYNC110  # another process tells no event
            await asyncio.sleep(0.02)


async def test_it_connects_and_lists_routes_and_npcs(barkeep: Program, tavern: SillyTavern) -> None:
    listed = await tavern.ask("backends/chat-completions/status", **chat(barkeep))
    assert {"local", "npc/hilda"} <= {model["id"] for model in listed["data"]}
    slashed = chat(barkeep, custom_url=f"http://{barkeep.address}/v1/")
    assert (await tavern.ask("backends/chat-completions/status", **slashed))["data"] == listed["data"]
    for kind in ("llamacpp", "koboldcpp", "vllm", "generic"):
        status = await tavern.ask("backends/text-completions/status", **text(barkeep, kind))
        assert status["result"] == "local"


async def test_a_chat_is_answered_whole_and_streamed(barkeep: Program, tavern: SillyTavern) -> None:
    path = "backends/chat-completions/generate"
    whole = await tavern.ask(path, **chat(barkeep))
    assert whole["choices"][0]["message"]["content"]
    assert whole["usage"]["completion_tokens"] == 12
    async with tavern.post(path, **chat(barkeep, stream=True, seed=4, logit_bias={})) as answer:
        assert answer.status == 200
        frames = events(await answer.text())
    assert all(frame["choices"] for frame in frames)
    assert len({frame["id"] for frame in frames}) == 1
    assert "".join(frame["choices"][0]["delta"].get("content", "") for frame in frames)
    assert [frame["choices"][0]["finish_reason"] for frame in frames][-1] == "length"


async def test_what_a_user_adds_to_the_body_is_honoured(barkeep: Program, tavern: SillyTavern) -> None:
    path = "backends/chat-completions/generate"
    greedy = chat(barkeep, custom_include_body="top_k: 1\nmin_p: 0.1\nseed: 3\nunknown_field: [1]")
    first, second = [await tavern.ask(path, **greedy) for _ in range(2)]
    said = first["choices"][0]["message"]["content"]
    assert second["choices"][0]["message"]["content"] == said
    cut = await tavern.ask(path, **{**greedy, "stop": [said[4:6]]})
    assert cut["choices"][0]["message"]["content"] == said[: said.index(said[4:6])]
    assert cut["choices"][0]["finish_reason"] == "stop"


async def test_an_npc_answers_with_its_own_memory(barkeep: Program, tavern: SillyTavern) -> None:
    path = "backends/chat-completions/generate"
    async with tavern.post(path, **chat(barkeep, model="npc/hilda", stream=True, max_tokens=24)) as answer:
        assert answer.status == 200
        frames = events(await answer.text())
    assert all(frame["model"] == "npc/hilda" for frame in frames)


async def test_stop_ends_the_generation_before_and_after_its_first_word(barkeep: Program, tavern: SillyTavern) -> None:
    path = "backends/chat-completions/generate"
    async with tavern.post(path, **chat(barkeep, stream=True, max_tokens=LONG)) as answer:
        await answer.content.readuntil(b"content")
        assert await running_now(barkeep) == 1
        answer.close()
    await until_running(barkeep, 0)
    waiting = asyncio.create_task(tavern.ask(path, **chat(barkeep, max_tokens=LONG)))
    await until_running(barkeep, 1)
    waiting.cancel()
    await until_running(barkeep, 0)
    assert (await tavern.ask(path, **chat(barkeep)))["choices"]


async def test_an_error_is_told_in_words(barkeep: Program, tavern: SillyTavern) -> None:
    path = "backends/chat-completions/generate"
    async with tavern.post(path, **chat(barkeep, model="nobody", stream=True)) as answer:
        assert answer.status == 404
        assert "nobody" in json.loads(await answer.text())["error"]["message"]
    too_long = [{"role": "user", "content": "An eel. " * CONTEXT}]
    async with tavern.post(path, **chat(barkeep, messages=too_long, stream=True)) as answer:
        assert answer.status == 400
        assert json.loads(await answer.text())["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("kind", ["vllm", "koboldcpp", "llamacpp"])
async def test_a_text_is_completed_and_its_tokens_are_counted_exactly(
    kind: str, barkeep: Program, tavern: SillyTavern
) -> None:
    """Counting and reading a prompt agree to the token: the prompt has one more, which begins every text."""
    words = "Tilda: You again?\nBram: Any eels today?\nTilda:"
    counted = await tavern.ask("tokenizers/remote/textgenerationwebui/encode", **text(barkeep, kind, text=words))
    assert counted["count"] > 10
    wanted = {"prompt": words, "max_tokens": 8, "n_predict": 8, "max_new_tokens": 8, "stop": ["\nBram:"]}
    path = "backends/text-completions/generate"
    whole = await tavern.ask(path, **text(barkeep, kind, **wanted, stream=False))
    read = whole["tokens_evaluated"] if kind == "llamacpp" else whole["usage"]["prompt_tokens"]
    assert read == counted["count"] + 1
    async with tavern.post(path, **text(barkeep, kind, **wanted, stream=True)) as answer:
        assert answer.status == 200
        assert len(re.findall(r"^data: ", await answer.text(), re.MULTILINE)) > 2


async def test_the_context_and_the_template_are_told(barkeep: Program, tavern: SillyTavern) -> None:
    props = await tavern.ask("backends/text-completions/props", **text(barkeep, "llamacpp"))
    assert props["default_generation_settings"]["n_ctx"] == CONTEXT
    assert "<|im_start|>" in props["chat_template"]
