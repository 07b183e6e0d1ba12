"""Who learns of what: NPCs know what they should, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from server.plugins.hooks import Happening, Reaction
from server.plugins.mods import Mods
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import House, Recording, house, say

REPLY = "I see."


async def known(home: House, npc: str) -> str:
    """Everything the NPC witnessed, as one text."""
    events = await home.stage.memory.events_for("default", npc, after=0, limit=100)
    return " | ".join(event.text for event in events)


async def test_whoever_is_not_there_does_not_hear_what_is_said_to_them(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        answer = await client.ask(say("Ansel, the key is under the step.", to=["ansel"]))
        assert isinstance(answer, m.Ok)
        assert (answer.turns, answer.why) == (None, "not present: ansel") or answer.turns == []
        assert "key" not in await known(home, "ansel")
        await client.ask(say("Ansel, a whispered word.", id="s2", to=["ansel", "hilda"], whisper=True))
        await client.next(m.TurnEnd)
        assert "whispered" not in await known(home, "ansel")
        assert "whispered" in await known(home, "hilda")


class Excitable(Mods):
    """Whoever witnesses an event speaks up about it."""

    def on_event(self, happening: Happening) -> list[Reaction]:
        return [Reaction(npc, "Say what you saw.") for npc in happening.witnesses]


async def test_a_reaction_is_heard_by_those_who_witnessed_what_it_is_about(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "A barge went down!"), mods=Excitable()) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(m.Event(id="e", text="A barge sinks at the weir.", witnesses=["ansel"]))
        await client.next(m.TurnEnd)
        assert "barge" in await known(home, "ansel")
        assert "barge" not in await known(home, "hilda")


async def test_more_than_fits_a_first_turn_can_be_recalled(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(m.Event(id="first", text="A comet crossed the harbour."))
        for number in range(30):
            await client.ask(m.Event(id=f"e{number}", text=f"Barrel {number} was rolled in."))
        await client.ask(say("Did you see the comet cross the harbour?"))
        await client.next(m.TurnEnd)
        assert any("A comet crossed" in text for text in route.prompts[0])


async def test_what_no_turn_of_a_talk_had_room_for_can_be_recalled_in_it_and_is_told_once(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        for text, happens in (("Hello.", 0), ("Anything new?", 30), ("And now?", 6)):
            for number in range(happens):
                told = f"Of {happens} barrels the one with number {number} was rolled in by the porters of the quay."
                await client.ask(m.Event(id=f"{happens}-{number}", text=told))
                if number == 0:
                    await client.ask(m.Event(id=f"c{happens}", text=f"Comet {happens} crossed the harbour."))
            await client.ask(say(text, id=text))
            await client.next(m.TurnEnd)
        assert "Comet" not in "".join(route.prompts[-1])
        await client.ask(say("Did you see a comet cross the harbour?", id="comet"))
        await client.next(m.TurnEnd)
        told = "".join(route.prompts[-1])
        assert told.count("Comet 30 crossed") == told.count("Comet 6 crossed") == 1
        await client.ask(say("I mean the comet over the harbour.", id="again"))
        await client.next(m.TurnEnd)
        told = "".join(route.prompts[-1])
        assert told.count("Comet 30 crossed") == told.count("Comet 6 crossed") == 1
        assert told.count("number 5 was") == 1


async def test_the_scene_that_came_during_a_turn_is_told_in_the_next(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", played=True)
        await client.ask(m.Scene(id="a", place="the taproom"))
        await client.ask(say())
        line = await client.next(m.Line)
        await client.ask(m.Scene(id="b", place="the yard"))
        await client.session.handle(m.Played(turn=line.turn, line=0))
        await client.next(m.TurnEnd)
        await client.ask(say("And now?", id="s2"))
        await client.next(m.Line)
        assert any("the yard" in text for text in route.prompts[-1])


def _texts(prompts: Iterable[str]) -> str:
    return "\n".join(prompts)


async def test_a_turn_stays_in_history_where_a_warm_began_a_conversation_beside_it(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", played=True)
        await client.ask(say("My name is Wren."))
        line = await client.next(m.Line)
        await client.ask(m.Scene(id="out", present=[]))  # the conversation ends while she speaks
        await client.ask(m.Scene(id="in", present=[m.Present(npc="hilda")]))
        await client.ask(m.Warm(id="w", npc="hilda"))
        await client.next(m.Notice, code="warm")
        await client.session.handle(m.Played(turn=line.turn, line=0))
        await client.next(m.TurnEnd)
        await client.ask(say("Who am I?", id="s2"))
        await client.next(m.Line)
        assert REPLY in _texts(route.prompts[-1])


async def test_a_stranger_keeps_the_name_it_was_given(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter()
        await client.ask(m.Scene(id="a", present=[m.Present(npc="old_tom", name="Old Tom")]))
        await client.ask(m.Scene(id="b", present=[m.Present(npc="old_tom")]))
        assert client.session.world.persona("old_tom").name == "Old Tom"
