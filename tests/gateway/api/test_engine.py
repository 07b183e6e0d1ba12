"""The HTTP API on the local engine: what only a real model shows. Its words are noise; their form is not."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.gateway.api.conftest import CONTEXT
from tests.support.api import PATIENCE, Served, idle
from tests.support.program import Program

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

GREEDY = {"temperature": 0, "repeat_penalty": 1, "max_tokens": 12}
LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look somewhere.",
        "parameters": {
            "type": "object",
            "properties": {"at": {"enum": ["sky", "sea"]}},
            "required": ["at"],
            "additionalProperties": False,
        },
    },
}


@pytest_asyncio.fixture(loop_scope="module")
async def api(running: Program) -> AsyncIterator[Served]:
    async with aiohttp.ClientSession(timeout=PATIENCE) as http:
        yield Served(None, f"http://{running.address}", http)  # type: ignore[arg-type]  # no house: it is another process


async def test_the_same_seed_says_the_same_and_another_one_something_else(api: Served) -> None:
    said = [(await api.chat("Hm?", seed=seed, temperature=1.5, max_tokens=24)).content for seed in (1, 1, 2)]
    assert said[0] == said[1] != said[2]
    several = (await api.chat("Hm?", seed=1, n=3, temperature=1.5, max_tokens=24)).json["choices"]
    texts = [choice["message"]["content"] for choice in several]
    assert texts[0] == said[0]
    assert len(set(texts)) == 3


async def test_counts_are_exact_and_tell_the_end(api: Served) -> None:
    answer = await api.chat("Hm?", **GREEDY)
    choice, usage = answer.json["choices"][0], answer.json["usage"]
    assert choice["finish_reason"] == "length"
    assert usage["completion_tokens"] == 12
    assert usage["total_tokens"] == usage["prompt_tokens"] + 12


async def test_a_stop_is_never_said_and_what_looked_like_one_is(api: Served) -> None:
    whole = (await api.chat("Hm?", **GREEDY)).content
    stop = whole[4:7]
    answer = await api.chat("Hm?", **GREEDY, stop=[stop], stream=True)
    assert answer.content == whole[: whole.index(stop)]
    assert answer.frames[-2]["choices"][0]["finish_reason"] == "stop"
    held = await api.chat("Hm?", **GREEDY, stop=[whole + "never"])
    assert held.content == whole


async def test_what_was_said_comes_back_token_for_token(api: Served) -> None:
    history: list[Any] = [("system", "Be brief."), "First?"]
    for question in ("Second?", "Third?"):
        answer = (await api.chat(*history, **GREEDY)).json
        # Clients trim what they are given.
        history += [("assistant", answer["choices"][0]["message"]["content"].strip()), question]
    last = (await api.chat(*history, **GREEDY)).json["usage"]
    new = len("Third?") + len("user") + len("assistant") + 8  # the frame of a turn, in a vocabulary of bytes
    assert last["prompt_tokens"] - last["prompt_tokens_details"]["cached_tokens"] <= new


async def test_a_prefill_is_part_of_the_prompt_and_not_of_the_answer(api: Served) -> None:
    begun = (await api.chat("Hm?", **GREEDY)).content
    answer = await api.chat("Hm?", ("assistant", begun[:6]), temperature=0, repeat_penalty=1, max_tokens=6)
    assert not answer.content.startswith(begun[:6])
    assert answer.json["usage"]["prompt_tokens"] > (await api.chat("Hm?", **GREEDY)).json["usage"]["prompt_tokens"]


async def test_a_biased_token_is_said_and_a_banned_one_is_not(api: Served) -> None:
    (token,) = (await api.post("/tokenize", {"content": "z"})).json["tokens"]
    assert (await api.chat("Hm?", **GREEDY, logit_bias={str(token): 1_000})).content == "z" * 12
    usual = await drawn(api)
    assert usual[0] not in await drawn(api, logit_bias=[[usual[0], False]])
    assert usual[0] not in await drawn(api, logit_bias={str(usual[0]): -100})
    beyond = await api.chat("Hm?", **GREEDY, logit_bias={"2000000000": 5})
    assert beyond.status == 200


async def drawn(api: Served, **fields: Any) -> list[int]:
    """The ids of a reply's tokens, the likeliest each."""
    body = {"prompt": "z", "n_predict": 40, "temperature": 0, "repeat_penalty": 1, "stream": True, **fields}
    return [token for frame in (await api.post("/completion", body)).frames for token in frame.get("tokens", ())]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_schema_binds_the_answer(api: Served, stream: bool) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["calm", "cross"]}, "age": {"type": "boolean"}},
        "required": ["mood", "age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "state", "schema": schema, "strict": True}}
    answer = await api.chat("Hm?", response_format=form, max_tokens=300, stream=stream)
    told = json.loads(answer.content)
    assert set(told) == {"mood", "age"}
    assert told["mood"] in ("calm", "cross")
    assert isinstance(told["age"], bool)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "none such"},
        {"$ref": "https://elsewhere.example/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"type": "string", "maxLength": 100_000},
        {"type": "string", "pattern": "("},
        {"type": "array", "items": {"type": "string", "minLength": 2_000}, "minItems": 2_000},
    ],
)
async def test_a_schema_that_cannot_be_kept_is_refused_and_harms_nobody(api: Served, schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = await api.chat("Hm?", response_format=form, max_tokens=4)
    assert answer.status in (200, 400), answer.text
    assert (await api.chat("Hm?", **GREEDY)).status == 200


async def test_a_grammar_binds_the_answer_and_a_broken_one_is_refused(api: Served) -> None:
    answer = await api.post("/completion", {"prompt": "Yes or no?", "grammar": 'root ::= "yes" | "no"'})
    assert answer.json["content"] in ("yes", "no")
    broken = await api.post("/completion", {"prompt": "Yes or no?", "grammar": "root ::= ("})
    assert (broken.status, broken.error["type"]) == (400, "invalid_request_error")
    assert (await api.get("/health")).json["status"] == "ok"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "look"}}])
async def test_a_call_that_is_wanted_is_made(api: Served, choice: Any) -> None:
    answer = await api.chat("Look up.", tools=[LOOK], tool_choice=choice, max_tokens=300)
    (told,) = answer.json["choices"]
    assert told["finish_reason"] == "tool_calls"
    assert told["message"]["content"] is None
    (call,) = told["message"]["tool_calls"]
    assert call["function"]["name"] == "look"
    assert json.loads(call["function"]["arguments"])["at"] in ("sky", "sea")


async def test_a_call_that_is_wanted_streams_at_the_end(api: Served) -> None:
    answer = await api.chat("Look up.", tools=[LOOK], tool_choice="required", max_tokens=300, stream=True)
    deltas = [frame["choices"][0]["delta"] for frame in answer.frames[:-1]]
    assert answer.content == ""
    assert [delta["tool_calls"][0]["function"]["name"] for delta in deltas if "tool_calls" in delta] == ["look"]


@pytest.mark.parametrize("stream", [False, True])
async def test_how_likely_tokens_were_is_told(api: Served, stream: bool) -> None:
    answer = await api.chat("Hm?", **GREEDY, logprobs=True, top_logprobs=3, stream=stream)
    if stream:
        places = [
            place
            for frame in answer.frames[:-1]
            for place in (frame["choices"][0]["logprobs"] or {"content": []})["content"]
        ]
    else:
        places = answer.json["choices"][0]["logprobs"]["content"]
    assert len(places) == 12
    assert "".join(place["token"] for place in places) == answer.content
    for place in places:
        assert bytes(place["bytes"]).decode() == place["token"]
        assert place["top_logprobs"][0]["token"] == place["token"]  # the likeliest is taken
        assert math.isclose(place["logprob"], place["top_logprobs"][0]["logprob"])
        assert len(place["top_logprobs"]) == 3
        assert sum(math.exp(each["logprob"]) for each in place["top_logprobs"]) <= 1.0001


async def test_how_likely_tokens_were_is_told_in_the_other_dialects(api: Served) -> None:
    completion = (await api.post("/v1/completions", {"prompt": "Hm", **GREEDY, "logprobs": 2})).json["choices"][0]
    told = completion["logprobs"]
    assert "".join(told["tokens"]) == completion["text"]
    assert told["text_offset"][:2] == [0, len(told["tokens"][0])]
    assert all(len(each) == 2 for each in told["top_logprobs"])
    llama = (await api.post("/completion", {"prompt": "Hm", **GREEDY, "n_probs": 2})).json
    assert "".join(place["token"] for place in llama["completion_probabilities"]) == llama["content"]
    assert (await api.chat("Hm?", logprobs=True, top_logprobs=21)).error["param"] == "logprobs"


async def test_token_counts_are_those_of_the_model(api: Served) -> None:
    text = "Grüß Gott <|im_end|> 🍺"
    told = (await api.post("/tokenize", {"content": text})).json
    assert told["count"] == told["length"] == len(told["tokens"])
    assert (await api.post("/detokenize", {"tokens": told["tokens"]})).json["content"] == text
    kobold = (await api.post("/api/extra/tokencount", {"prompt": text})).json
    assert kobold == {"value": told["count"], "ids": told["tokens"]}
    vllm = (await api.post("/v1/tokenize", {"model": "local", "prompt": text})).json
    assert vllm["tokens"] == told["tokens"]
    assert (await api.post("/detokenize", {"tokens": [10**9]})).status == 400
    messages = {"messages": [{"role": "user", "content": "Hm?"}]}
    counted = (await api.post("/v1/messages/count_tokens", messages)).json["input_tokens"]
    assert counted == (await api.chat("Hm?", **GREEDY)).json["usage"]["prompt_tokens"]


async def test_props_tell_the_context_and_the_template(api: Served) -> None:
    props = (await api.get("/props")).json
    assert props["default_generation_settings"]["n_ctx"] == CONTEXT
    assert "<|im_start|>" in props["chat_template"]
    (local, *_) = (await api.get("/v1/models")).json["data"]
    assert local["context_length"] == CONTEXT


async def test_a_text_with_turns_in_it_is_the_chat_it_spells(api: Served) -> None:
    prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHm?<|im_end|>\n<|im_start|>assistant\n"
    text = (await api.post("/v1/completions", {"prompt": prompt, **GREEDY})).json
    chat = (await api.chat(("system", "Be brief."), "Hm?", **GREEDY)).json
    assert text["choices"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert text["usage"]["prompt_tokens"] == chat["usage"]["prompt_tokens"]


LONG = [message for at in range(40) for message in (f"Question {at}: " + "word " * 12, ("assistant", "So it is."))]


async def test_what_does_not_fit_is_refused_with_the_usual_code(api: Served) -> None:
    answer = await api.chat(*LONG, "And now?", max_tokens=20)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert f"maximum context length is {CONTEXT} tokens" in answer.error["message"]
    text = await api.post("/v1/completions", {"prompt": "word " * 2_000})
    assert (text.status, text.error["code"]) == (400, "context_length_exceeded")


async def test_what_does_not_fit_is_made_to_where_that_is_asked(api: Served) -> None:
    fields = {"transforms": ["middle-out"], "max_tokens": 20, "ignore_eos": True}
    answer = await api.chat(("system", "Be brief."), *LONG, "And now?", ("assistant", "Now"), **fields)
    usage = answer.json["usage"]
    assert CONTEXT // 3 < usage["prompt_tokens"] <= CONTEXT - 20
    assert usage["completion_tokens"] == 20
    hopeless = await api.chat(("system", "word " * 2_000), "And now?", **fields)
    assert hopeless.error["code"] == "context_length_exceeded"


async def test_a_client_that_leaves_while_its_prompt_is_read_frees_the_engine(api: Served, running: Program) -> None:
    for stream in (False, True):
        asking = asyncio.create_task(api.chat("word " * 180, max_tokens=1_000, stream=stream))
        while not (await api.get("/health")).json["running"]:
            pass
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await idle(running)


async def test_the_end_of_a_reply_can_be_forbidden(api: Served) -> None:
    ends = {str(token): 20.0 for token in range(14)}  # the vocabulary begins with its control tokens
    asked = {"prompt": "Hm", "n_predict": 20, "temperature": 2, "min_p": 0, "logit_bias": ends}
    counts = [
        (await api.post("/completion", {**asked, **fields})).json["tokens_predicted"]
        for fields in ({}, {"ignore_eos": True}, {"ban_eos_token": True})
    ]
    assert counts[0] < counts[1] == counts[2] == 20


async def test_an_npc_answers_with_its_own_prompt_on_the_same_engine(api: Served) -> None:
    answer = await api.chat("Any rooms left?", model="npc/hilda")
    assert answer.status == 200
    assert answer.json["usage"]["prompt_tokens"] > 100
