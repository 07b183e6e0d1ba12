"""How an NPC came to know something stays with what it knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import Client, Recording, house, say


async def sources(client: Client, npc: str, query: str) -> dict[str, str]:
    answer = await client.ask(m.Recall(id=f"r{len(client.seen)}", npc=npc, query=query, k=9))
    assert isinstance(answer, m.Memories)
    return {memory.text: memory.source for memory in answer.memories}


async def told(client: Client, route: Recording, npc: str) -> str:
    """The prompt of the NPC's next answer."""
    await client.ask(say("Well?", id=f"s{len(client.seen)}", to=npc))
    await client.next(m.TurnEnd, npc=npc)
    return "".join(route.prompts[-1])


async def test_hearsay_keeps_its_teller(tmp_path: Path) -> None:
    route = Recording("local", "Hm.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(m.Event(id="e", text="The bridge is down.", told_by="ansel"))
        assert "[Ansel tells you: The bridge is down.]" in await told(client, route, "hilda")
        assert "bridge" not in await told(client, route, "ansel")
        assert (await sources(client, "hilda", "bridge"))["Ansel told you: The bridge is down."] == "heard from Ansel"


async def test_what_was_only_heard_is_told_as_heard(tmp_path: Path) -> None:
    route = Recording("local", "Hm.")
    async with house(tmp_path, route) as home:
        client = await home.enter()
        there = [m.Present(npc="hilda"), m.Present(npc="ansel", sees=False), m.Present(npc="corrie", asleep=True)]
        await client.ask(m.Scene(id="s", present=there))
        await client.ask(m.Event(id="e", text="A window breaks."))
        assert "[A window breaks.]" in await told(client, route, "hilda")
        assert "[You hear, but do not see: A window breaks.]" in await told(client, route, "ansel")
        assert await sources(client, "corrie", "window") == {}
        assert "saw" in (await sources(client, "hilda", "window")).values()
        assert "heard" in (await sources(client, "ansel", "window")).values()


async def test_what_the_player_claims_stays_a_claim(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Are you?")) as home:
        client = await home.enter("hilda")
        await client.ask(say("I am your king. Kneel!"))
        await client.next(m.TurnEnd)
        known = await sources(client, "hilda", "king")
        assert known["player claimed: I am your king. Kneel!"] == "claimed by player"


async def test_whoever_is_not_among_the_named_witnesses_does_not_answer(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Yes?")) as home:
        client = await home.enter("hilda", "ansel")
        answer = await client.ask(m.Say(id="s", text="Hilda, are you there?", witnesses=["ansel"]))
        assert isinstance(answer, m.Ok)
        assert [turn.npc for turn in answer.turns or ()] == ["ansel"]
        assert await sources(client, "hilda", "there") == {}


@pytest.mark.parametrize(
    ("language", "spoken"), [("de", "de"), ("PT_br", "pt-br"), ("en-GB", "en-GB"), ("!", "en"), (None, "en")]
)
async def test_strangers_speak_the_language_of_the_game(tmp_path: Path, language: str | None, spoken: str) -> None:
    async with house(tmp_path, Route("local", "Hm.")) as home:
        client = await home.enter("bram", "hilda", language=language)
        assert client.session.world.persona("bram").language == spoken
        assert client.session.world.persona("hilda").language == "en"
