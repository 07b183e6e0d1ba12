"""OpenAI's SDK for Python, unmodified, against a running server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.support.api import idle, on_tiny_model
from tests.support.program import Program

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

MESSAGES: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Any rooms left?"}]
GREEDY: Any = {"model": "local", "messages": MESSAGES, "temperature": 0, "max_tokens": 12}
LOOK: Any = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"at": {"enum": ["sky", "sea"]}}, "required": ["at"]},
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Program]:
    async with on_tiny_model(tmp_path_factory.mktemp("openai"), context=4_096) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def client(running: Program) -> AsyncIterator[AsyncOpenAI]:
    # A base address with a slash at its end, as people type it.
    async with AsyncOpenAI(base_url=f"http://{running.address}/v1/", api_key="any", max_retries=0, timeout=30) as one:
        yield one


async def test_models(client: AsyncOpenAI) -> None:
    assert "local" in [model.id async for model in client.models.list()]
    assert (await client.models.retrieve("npc/hilda")).id == "npc/hilda"


async def test_chat_whole_and_streamed(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**GREEDY)
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    said, usage = "", None
    async for chunk in await client.chat.completions.create(
        **GREEDY, stream=True, stream_options={"include_usage": True}
    ):
        said += chunk.choices[0].delta.content or "" if chunk.choices else ""
        usage = chunk.usage or usage
    assert said == whole.choices[0].message.content
    assert usage is not None
    assert usage.total_tokens == whole.usage.total_tokens


async def test_stop_and_prefill(client: AsyncOpenAI) -> None:
    whole = (await client.chat.completions.create(**GREEDY)).choices[0].message.content or ""
    stopped = (await client.chat.completions.create(**GREEDY, stop=[whole[4:7]])).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (whole[: whole.index(whole[4:7])], "stop")
    begun = {**GREEDY, "messages": [*MESSAGES, {"role": "assistant", "content": whole[:6]}]}
    gone_on = (await client.chat.completions.create(**begun)).choices[0].message.content or ""
    assert not gone_on.startswith(whole[:6])


async def test_tools(client: AsyncOpenAI) -> None:
    asked = {**GREEDY, "tools": [LOOK], "tool_choice": "required", "max_tokens": 60}
    choice = (await client.chat.completions.create(**asked)).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments)["at"] in ("sky", "sea")
    async with client.chat.completions.stream(**asked) as stream:
        async for _ in stream:
            pass
        streamed = (await stream.get_final_completion()).choices[0].message.tool_calls or []
    assert [each.function.name for each in streamed] == ["look"]
    answered = [*MESSAGES, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "Clouds."}]
    after = await client.chat.completions.create(**{**GREEDY, "messages": answered})
    assert after.choices[0].message.content


class State(BaseModel):
    mood: Literal["calm", "cross"]
    awake: bool


async def test_a_schema_made_of_a_model(client: AsyncOpenAI) -> None:
    asked = {**GREEDY, "max_tokens": 60}
    parsed = await client.chat.completions.parse(**asked, response_format=State)
    assert isinstance(parsed.choices[0].message.parsed, State)


async def test_completions_several_replies_and_logprobs(client: AsyncOpenAI) -> None:
    several = await client.completions.create(model="local", prompt="Once upon", max_tokens=5, n=2, logprobs=2, seed=3)
    assert [choice.index for choice in several.choices] == [0, 1]
    assert several.choices[0].text != several.choices[1].text
    told = several.choices[0].logprobs
    assert told is not None
    assert "".join(told.tokens or []) == several.choices[0].text
    chat = await client.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=2)
    assert chat.choices[0].logprobs is not None
    assert len(chat.choices[0].logprobs.content or []) == 12


async def test_errors_are_those_that_the_sdk_knows(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(**{**GREEDY, "model": "none"})
    assert (missing.value.code, missing.value.param, missing.value.type) == (
        "model_not_found",
        "model",
        "not_found_error",
    )
    too_long: Any = {**GREEDY, "messages": [{"role": "user", "content": "word " * 5_000}]}
    with pytest.raises(openai.BadRequestError) as long:
        await client.chat.completions.create(**too_long, stream=True)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="no embeddings"):
        await client.embeddings.create(model="local", input="x")


async def test_an_abort_frees_the_engine(client: AsyncOpenAI, running: Program) -> None:
    endless: Any = {**GREEDY, "max_tokens": 3_000, "extra_body": {"ignore_eos": True}}
    stream = await client.chat.completions.create(**endless, stream=True)
    async for _ in stream:
        break
    assert (await running.get("/health"))["running"] == 1
    await stream.close()
    await idle(running)


async def test_an_npc_answers_and_answers_anew(client: AsyncOpenAI) -> None:
    asked: Any = {"model": "npc/hilda", "messages": MESSAGES, "extra_headers": {"X-Barkeep-Chat": "sdk"}}
    first, second = [await client.chat.completions.create(**asked) for _ in range(2)]
    assert first.choices[0].message.content
    assert second.usage is not None
    assert second.usage.prompt_tokens > 100
