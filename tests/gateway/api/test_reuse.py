"""A long chat of a frontend on the local engine: how much of each prompt is not evaluated again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.api import PATIENCE, Served, on_tiny_model
from tests.support.long_chat import Earlier, LongChat, Message, Reuse, words

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

TURNS = 80
REPLY = 48
TITLE_EVERY = 5
Prompt = Callable[[LongChat, int], list[Message]]


@asynccontextmanager
async def api(folder: Path, context: int) -> AsyncIterator[Served]:
    async with on_tiny_model(folder, context) as running, aiohttp.ClientSession(timeout=PATIENCE) as http:
        yield Served(None, f"http://{running.address}", http)  # type: ignore[arg-type]  # no house: it is another process


async def size(api: Served, messages: list[Message]) -> int:
    """The tokens that these messages are as the beginning of a prompt."""
    last = {"role": "user", "content": "?"}
    whole, alone = [
        (await api.post("/v1/messages/count_tokens", {"messages": each})).json["input_tokens"]
        for each in ([*messages, last], [last])
    ]
    return int(whole - alone + 1)


async def talk(api: Served, chat: LongChat, prompt: Prompt, **fields: Any) -> Reuse:
    """The whole chat, with a request for a title now and then; its figures are printed."""
    reuse, earlier = Reuse(), Earlier()
    for turn in range(TURNS):
        chat.say(turn)
        messages = prompt(chat, turn)
        common = earlier.common(messages)
        known = await size(api, common) if common else 0
        answer = await api.chat(*messages, seed=turn, max_tokens=REPLY, **fields)
        assert answer.status == 200, answer.text
        reuse.add(answer.json["usage"], known)
        chat.hear(answer.content)
        earlier.answered(answer.content)
        if turn % TITLE_EVERY == TITLE_EVERY - 1:
            assert (await api.chat(*chat.title(), max_tokens=12, **fields)).status == 200
    print(f"{reuse.share:.1%} of {reuse.prompt} prompt tokens reused, {reuse.of_common:.1%} of {reuse.common} known")
    return reuse


async def test_a_chat_that_grows_under_a_note_at_depth_is_read_once(tmp_path: Path) -> None:
    async with api(tmp_path, context=20_480) as served:
        reuse = await talk(served, LongChat(depth=4, orders=True), lambda chat, turn: chat.prompt())
    assert reuse.share >= 0.9


async def test_a_chat_that_is_fitted_is_read_once_for_each_half_that_goes(tmp_path: Path) -> None:
    async with api(tmp_path, context=6_144) as served:
        reuse = await talk(served, LongChat(), lambda chat, turn: chat.prompt(), transforms=["middle-out"])
    assert reuse.share >= 0.9


async def test_a_chat_that_its_client_trims_is_read_anew_below_its_card_alone(tmp_path: Path) -> None:
    async with api(tmp_path, context=20_480) as served:
        reuse = await talk(served, LongChat(), lambda chat, turn: chat.prompt(newest=12))
    assert reuse.of_common >= 0.98


async def test_lore_that_comes_and_goes_above_a_chat_finds_what_was_read_with_it_and_without(tmp_path: Path) -> None:
    def prompt(chat: LongChat, turn: int) -> list[Message]:
        lore = [words(("lore", name), 60) for name, every in (("mill", 3), ("mine", 4)) if not turn // 2 % every]
        return chat.prompt(lore)

    async with api(tmp_path, context=20_480) as served:
        reuse = await talk(served, LongChat(), prompt)
    assert reuse.of_common >= 0.98
