"""What NPCs make of what happened: relations, moods, names and promises, in `state` and in the next prompts."""

from __future__ import annotations

from pathlib import Path

from server.dialogue.reflection import digest
from server.dialogue.stage import Stage
from server.protocol import messages as m
from tests.memory.builders import happened
from tests.support.stage import Client, House, Recording, house, say

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


async def settled(stage: Stage) -> None:
    """Everything that was begun in the background is done."""
    await stage.jobs.idle()


async def talk(home: House, client: Client, text: str, number: int, to: str = "hilda", **fields: object) -> None:
    await client.ask(say(text, id=f"s{number}", to=to, **fields))
    await client.next(m.TurnEnd)
    await settled(home.stage)


async def state_of(client: Client, npc: str = "hilda") -> m.StateReport:
    answer = await client.ask(m.State(id=f"q{len(client.seen)}", npc=npc))
    assert isinstance(answer, m.StateReport)
    return answer


async def at(client: Client, hours: float) -> None:
    await client.ask(m.Scene(id=f"t{hours}", time=hours * HOUR_S))


def toward(state: m.StateReport, other: str = "player") -> m.Relation:
    return next((one for one in state.relations if one.to == other), m.Relation(to=other))


async def test_an_insult_is_felt_by_the_one_it_was_meant_for(tmp_path: Path) -> None:
    route = Recording("local", "Out with you.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel")
        await talk(home, client, "You fool, I hate you.", 1)
        hilda, ansel = await state_of(client), await state_of(client, "ansel")
        assert toward(hilda).warmth < -0.1
        assert hilda.mood.label == "angry"
        assert abs(toward(ansel).warmth) < abs(toward(hilda).warmth) / 5
        assert ansel.mood.label == "calm"
        await talk(home, client, "Well?", 2)
        assert "[You feel angry.]\n" in route.prompts[-1]
        await talk(home, client, "Nothing to say?", 3)
        assert route.prompts[-1].count("[You feel angry.]\n") == 1


async def test_words_for_a_line_carry_the_mood(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda")
        await talk(home, client, "You idiot.", 1)
        await talk(home, client, "Hello?", 2)
        assert [line.mood for line in client.all(m.Line)] == ["calm", "angry"]


async def test_a_mood_passes_and_the_npc_is_told_once(tmp_path: Path) -> None:
    route = Recording("local", "Hm.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await at(client, 10)
        await talk(home, client, "You idiot.", 1)
        await talk(home, client, "Hello?", 2)
        await at(client, 40)
        await talk(home, client, "And now?", 3)
        await talk(home, client, "And now?", 4)
        assert route.prompts[-1].count("[You feel calm.]\n") == 1


async def test_the_npcs_own_words_move_nothing_in_itself(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "You fool, I'll kill you.")) as home:
        client = await home.enter("hilda")
        await talk(home, client, "A fine day.", 1)
        state = await state_of(client)
        assert state.mood.label == "calm"
        assert toward(state) == m.Relation(to="player")


async def test_an_event_of_a_known_kind_moves_those_who_noticed_it(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(m.Event(id="e1", kind="gift", text="Aldo gives Hilda a ring."))
        await settled(home.stage)
        assert toward(await state_of(client)).warmth > 0.1
        assert toward(await state_of(client, "ansel")).warmth < 0.05


async def test_what_they_call_each_other_is_remembered_and_told(tmp_path: Path) -> None:
    route = Recording("local", "Hm.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await talk(home, client, "Call me Finn. I'll call you Old Bear.", 1)
        relation = toward(await state_of(client))
        assert (relation.calls, relation.called) == ("Finn", "Old Bear")
        await talk(home, client, "Agreed?", 2)
        assert "[player wants to be called Finn.]\n" in route.prompts[-1]


async def test_a_promise_comes_back_when_it_is_due_and_costs_trust_when_it_is_broken(tmp_path: Path) -> None:
    route = Recording("local", "I will hold you to that.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await at(client, 10)
        await talk(home, client, "I promise you, I'll bring the silver ring tomorrow.", 1)
        await at(client, 12)
        await talk(home, client, "A quiet evening.", 2)
        assert not any("It is time" in text for text in route.prompts[-1])
        await at(client, 48)
        await talk(home, client, "Good morning.", 3)
        assert any("It is time" in text and "silver ring" in text for text in route.prompts[-1])
        assert toward(await state_of(client)).trust == 0
        await at(client, 80)
        await talk(home, client, "Hello again.", 4)
        assert toward(await state_of(client)).trust < -0.3
        await talk(home, client, "What is it?", 5)
        assert any("Not kept" in text for text in route.prompts[-1])
        assert any("distrust" in text for text in route.prompts[-1])


async def test_a_promise_that_is_kept_wins_trust(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Good.")) as home:
        client = await home.enter("hilda")
        await at(client, 10)
        await talk(home, client, "I promise you, I'll bring the silver ring tomorrow.", 1)
        await at(client, 30)
        await talk(home, client, "Here is the silver ring.", 2)
        assert toward(await state_of(client)).trust > 0.2
        await at(client, 100)
        await talk(home, client, "Hello.", 3)
        assert toward(await state_of(client)).trust > 0.2


async def test_a_load_takes_feelings_back_and_work_begun_before_it_writes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda")
        await talk(home, client, "Hello.", 1)
        await client.ask(m.Save(id="v1", save="one"))
        await client.ask(m.Event(id="e1", kind="attack", text="The player attacks Hilda."))
        derived, memory = home.stage.memory.derived, home.stage.memory
        await settled(home.stage)
        assert toward(await state_of(client)).fear > 0.3
        await client.ask(m.Event(id="e2", kind="attack", text="The player attacks Hilda."))
        await client.ask(m.Load(id="l1", save="one"))
        await settled(home.stage)
        assert toward(await state_of(client)) == m.Relation(to="player")
        assert await derived.undigested("default", "hilda", 10) is None
        assert (await memory.derived.standpoint("default", "hilda", ["player"])).regards[0].fear == 0


async def test_what_a_crash_left_undigested_is_made_up_for_before_the_npc_speaks_again(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda")
        attack = happened("The player attacks Hilda.", "hilda", kind="attack", speaker="", player="player")
        await home.stage.memory.record("default", client.session.id, attack, (), None)
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda")
        await settled(home.stage)
        assert toward(await state_of(client)).fear > 0.3


async def test_what_was_undigested_at_a_save_is_made_up_for_after_its_load(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda")
        attack = happened("The player attacks Hilda.", "hilda", kind="attack", speaker="", player="player")
        await home.stage.memory.record("default", client.session.id, attack, (), None)
        await client.ask(m.Save(id="v1", save="one"))
        await client.ask(m.Load(id="l1", save="one"))
        await settled(home.stage)
        assert toward(await state_of(client)).fear > 0.3


async def test_rows_that_were_dropped_are_made_again_the_same(tmp_path: Path) -> None:
    async with house(tmp_path, Recording("local", "Hm.")) as home:
        client = await home.enter("hilda", "ansel")
        for number, text in enumerate(("Thank you.", "You idiot!", "Call me Finn.", "I'm sorry, forgive me."), 1):
            await at(client, number)
            await talk(home, client, text, number)
        before = await state_of(client)
        assert await home.stage.memory.derived.forget("default") == ["ansel", "hilda"]
        world = await home.stage.world("default")
        await digest(home.stage, world, "hilda")
        await digest(home.stage, world, "hilda")
        after = await state_of(client)
        assert (after.mood, after.relations) == (before.mood, before.relations)


async def test_a_friend_who_was_away_is_told_for_how_long(tmp_path: Path) -> None:
    route = Recording("local", "Welcome.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await at(client, 10)
        await talk(home, client, "Thank you for everything, you are kind.", 1)
        await client.ask(m.Scene(id="gone", present=[]))
        await client.ask(m.Scene(id="back", present=[m.Present(npc="hilda")], time=10 * HOUR_S + 30 * DAY_S))
        await talk(home, client, "Hilda!", 2)
        assert "[Your last talk was 30 days ago.]\n" in route.prompts[-1]
        assert toward(await state_of(client)).warmth > 0.05
