"""Anthropic's, llama.cpp's and KoboldCpp's ways of asking, on scripted routes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from server.backends.base import Request, ToolCall
from server.errors import RouteBroken
from tests.support.api import Answered, served, turns_of
from tests.support.routes import Route, Step


class Keeping(Route):
    """Keeps what it is asked."""

    def __init__(self, *steps: Step) -> None:
        super().__init__("local", *(steps or ("Well", " met.")))
        self.requests: list[Request] = []

    def steps_for(self, request: Request) -> Any:
        self.requests.append(request)
        return super().steps_for(request)


def events(answer: Answered) -> list[dict[str, Any]]:
    """Anthropic's events; each says its name twice."""
    found = []
    for text in answer.text.strip().split("\n\n"):
        if text.startswith(":"):
            continue
        name, data = text.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


ASKED = {"model": "local", "max_tokens": 64, "messages": [{"role": "user", "content": "Hm?"}]}


async def test_a_message_is_answered_whole(tmp_path: Path) -> None:
    route = Keeping()
    body = {
        **ASKED,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "So"}]},
        ],
        "stop_sequences": ["END"],
        "temperature": 0.3,
        "top_k": 5,
    }
    async with served(tmp_path, route) as api:
        answer = await api.post("/v1/messages", body, **{"anthropic-version": "2023-06-01"})
    message = answer.json
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "local")
    assert message["content"] == [{"type": "text", "text": "Well met."}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert set(message["usage"]) >= {"input_tokens", "output_tokens"}
    (request,) = route.requests
    assert turns_of(request) == [("system", "Be brief."), ("user", "One.\nTwo."), ("assistant", "So")]
    assert (request.stop, request.max_tokens) == (("END",), 64)
    assert (request.sampling.temperature, request.sampling.top_k) == (0.3, 5)


async def test_a_message_streams_as_events(tmp_path: Path) -> None:
    async with served(tmp_path, Keeping()) as api:
        told = events(await api.post("/v1/messages", {**ASKED, "stream": True}))
    assert [event["type"] for event in told] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert told[0]["message"]["content"] == []
    assert [event["delta"]["text"] for event in told if event["type"] == "content_block_delta"] == ["Well", " met."]
    assert told[-2]["delta"]["stop_reason"] == "end_turn"


async def test_tools_are_told_and_their_calls_and_results_understood(tmp_path: Path) -> None:
    route = Keeping()
    tool = {"name": "look", "description": "Look.", "input_schema": {"type": "object"}}
    use = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "sky"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "Clouds."}]}
    history = [
        {"role": "user", "content": "Look up."},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
    ]
    async with served(tmp_path, route) as api:
        await api.post("/v1/messages", {**ASKED, "tools": [tool], "messages": history})
    turns = turns_of(route.requests[0])
    assert "look" in turns[0][1]
    assert turns[2] == ("assistant", '[{"name": "look", "arguments": {"at": "sky"}}]')
    assert turns[3:5] == [("user", "Result of the tool: Clouds."), ("user", "So?")]


async def test_calls_are_blocks_of_their_own(tmp_path: Path) -> None:
    from server.backends.base import Finish, Usage
    from server.gateway.api.anthropic_answer import MessageAnswer

    answer = MessageAnswer("local")
    finish = Finish("stop", Usage(prompt=9, cached=4, reply=3), "m", tool_calls=(ToolCall("look", {"at": "sky"}),))
    stream = [*answer.begin(), *answer.take(0, finish), *answer.end()]
    told = [json.loads(frame.decode().split("\n")[1].removeprefix("data: ")) for frame in stream]
    assert told[1]["content_block"]["name"] == "look"
    assert json.loads(told[2]["delta"]["partial_json"]) == {"at": "sky"}
    whole = answer.whole()
    assert [block["type"] for block in whole["content"]] == ["tool_use"]
    assert whole["stop_reason"] == "tool_use"
    assert whole["usage"]["input_tokens"] == 5
    assert whole["usage"]["cache_read_input_tokens"] == 4


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"tools": [{}]}, "tools.0"),
        ({"tool_choice": {"type": "tool", "name": "none such"}}, "tool_choice"),
    ],
)
async def test_what_cannot_be_used_is_named(tmp_path: Path, fields: dict[str, Any], param: str) -> None:
    async with served(tmp_path, Keeping()) as api:
        answer = await api.post("/v1/messages", {**ASKED, **fields})
    assert (answer.status, answer.json["type"]) == (400, "error")
    assert (answer.error["type"], answer.error["param"]) == ("invalid_request_error", param)


async def test_a_message_that_fails_in_the_middle_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, Keeping("Well", RouteBroken("it crashed"))) as api:
        answer = await api.post("/v1/messages", {**ASKED, "stream": True})
    last = events(answer)[-1]
    assert last["type"] == "error"
    assert "it crashed" in last["error"]["message"]


async def test_tokens_of_messages_are_counted(tmp_path: Path) -> None:
    async with served(tmp_path, Keeping()) as api:
        short = await api.post("/v1/messages/count_tokens", ASKED)
        longer = await api.post("/v1/messages/count_tokens", {**ASKED, "system": "Be brief. " * 20})
        npc = await api.post("/v1/messages/count_tokens", {**ASKED, "model": "npc/hilda"})
    assert 0 < short.json["input_tokens"] < longer.json["input_tokens"]
    assert npc.json == short.json


async def test_an_npc_answers_messages_too(tmp_path: Path) -> None:
    async with served(tmp_path, Keeping()) as api:
        answer = await api.post("/v1/messages", {**ASKED, "model": "npc/hilda", "metadata": {"user_id": "tam"}})
    assert answer.json["content"][0]["text"] == "Well met."


async def test_llama_cpps_completion_whole_and_streamed(tmp_path: Path) -> None:
    route = Keeping(" a", " time.")
    body = {"prompt": "Once upon", "n_predict": 7, "cache_prompt": True, "n_probs": 0, "samplers": ["top_k"]}
    async with served(tmp_path, route) as api:
        whole = await api.post("/completion", body)
        stream = await api.post("/completion", {**body, "stream": True})
    assert (whole.json["content"], whole.json["stop"], whole.json["stop_type"]) == (" a time.", True, "eos")
    assert route.requests[0].max_tokens == 7
    frames = stream.frames
    assert [frame["content"] for frame in frames] == [" a", " time.", ""]
    assert [frame["stop"] for frame in frames] == [False, False, True]


async def test_koboldcpp_tells_what_it_is(tmp_path: Path) -> None:
    async with served(tmp_path, Keeping()) as api:
        assert (await api.get("/api/v1/model")).json == {"result": "koboldcpp/local"}
        assert (await api.get("/api/v1/info/version")).json["result"]
        assert (await api.get("/api/extra/version")).json["result"] == "KoboldCpp"
        assert isinstance((await api.get("/api/extra/true_max_context_length")).json["value"], int)
        assert isinstance((await api.get("/api/v1/config/max_context_length")).json["value"], int)
        assert (await api.get("/api/v1/config/max_length")).json == {"value": 1_024}
        assert (await api.get("/api/extra/perf")).json["idle"] == 1


async def test_koboldcpp_generates_whole_and_streamed(tmp_path: Path) -> None:
    route = Keeping(" a", " time.")
    body = {"prompt": "upon", "memory": "Once ", "max_length": 7, "rep_pen": 1.2, "stop_sequence": ["END"]}
    async with served(tmp_path, route) as api:
        whole = await api.post("/api/v1/generate", body)
        stream = await api.post("/api/extra/generate/stream", body)
    (result,) = whole.json["results"]
    assert (result["text"], result["finish_reason"]) == (" a time.", "stop")
    (request, _) = route.requests
    assert turns_of(request) == [("", "Once upon")]
    assert (request.max_tokens, request.stop, request.sampling.repeat_penalty) == (7, ("END",), 1.2)
    assert "".join(frame["token"] for frame in stream.frames) == " a time."
    assert stream.frames[-1]["finish_reason"] == "stop"
    assert stream.text.startswith("event: message\n")


@pytest.mark.parametrize("key", ["mine", None])
async def test_koboldcpp_looks_at_a_reply_and_aborts_it_by_its_key(tmp_path: Path, key: str | None) -> None:
    route = Keeping("Well", 3_600.0)
    mine = {"genkey": key} if key else {}
    async with served(tmp_path, route) as api, asyncio.timeout(10):
        asking = asyncio.create_task(api.post("/api/v1/generate", {"prompt": "Once", **mine}))
        while (await api.post("/api/extra/generate/check", mine)).json != {"results": [{"text": "Well"}]}:
            pass
        other = await api.post("/api/extra/abort", {"genkey": "another"})
        assert (other.json["success"], route.open) == ("false", 1)
        aborted = await api.ask("POST", "/api/extra/abort", mine or None, headers={"Content-Type": "application/json"})
        assert aborted.json["success"] == "true"
        answer = await asking
        assert answer.json["results"][0]["text"] == "Well"
        assert route.open == 0


async def test_an_abort_may_come_without_a_body_and_a_type(tmp_path: Path) -> None:
    async with served(tmp_path, Keeping()) as api, api.http.post(f"{api.url}/api/extra/abort") as answer:
        assert answer.status == 200


async def test_a_chat_completion_with_a_key_is_aborted_too(tmp_path: Path) -> None:
    route = Keeping("Well", 3_600.0)
    async with served(tmp_path, route) as api, asyncio.timeout(10):
        asking = asyncio.create_task(api.chat("Hm?", genkey="k", stream=True))
        while (await api.get("/api/extra/generate/check")).status != 200 or not route.open:
            pass
        while (await api.post("/api/extra/abort", {"genkey": "k"})).json["success"] != "true":
            pass
        answer = await asking
    assert answer.frames[-1] == "[DONE]"
    assert answer.content in ("", "Well")
