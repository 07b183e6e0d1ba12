"""What is done after turns: summaries, diaries, and histories that shrink while nobody waits."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from server.backends.base import Request
from server.config import BackgroundSettings, BudgetSettings
from server.dialogue.summarising import renew_summary, write_diary
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import Client, House, Recording, house, say

LONG = "Yes, " + "and so on, " * 12 + "and that is that."


class Growths:
    """Counts how prompts grew."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def turn_ended(self, end: m.TurnEnd) -> None:
        pass

    def prompt_grew(self, growth: str) -> None:
        self.counted[growth] += 1


class Summariser(Recording):
    """Answers as told, and summaries otherwise."""

    def __init__(self, name: str, reply: str, summary: str) -> None:
        super().__init__(name, reply)
        self.summary = summary
        self.asked_for_summaries: list[Request] = []

    def generate(self, request: Request):  # type: ignore[no-untyped-def]  # as the class it stands in for
        if request.purpose == "summary":
            self.asked_for_summaries.append(request)
            return Route("other", self.summary).generate(request)
        return super().generate(request)


class Held(Summariser):
    """Waits in the middle of its first summary until it may go on."""

    def __init__(self, name: str, reply: str, summary: str) -> None:
        super().__init__(name, reply, summary)
        self.began, self.goes_on = asyncio.Event(), asyncio.Event()

    async def generate(self, request: Request):  # type: ignore[no-untyped-def]  # as the class it stands in for
        if request.purpose == "summary":
            self.began.set()
            await self.goes_on.wait()
        async for delta in super().generate(request):
            yield delta


def by_rule(home: House) -> None:
    changed = {"background": BackgroundSettings(summaries="rules", diary=True)}
    home.stage.settings = home.stage.settings.model_copy(update=changed)


async def talk(home: House, client: Client, texts: list[str]) -> None:
    for number, text in enumerate(texts):
        await client.ask(say(text, id=f"s{len(client.seen)}-{number}"))
        await client.next(m.TurnEnd)
        await home.stage.jobs.idle()


async def test_in_sixty_turns_nine_of_ten_prompts_extend_the_one_before_and_no_player_pays_for_a_shrink(
    tmp_path: Path,
) -> None:
    route = Recording("local", "The eels are late this year, and nobody on the quay will say why that is.")
    async with house(tmp_path, route) as home:
        by_rule(home)
        growths = Growths()
        home.stage.observer = growths
        client = await home.enter("hilda")
        await talk(home, client, [f"Tell me of the {n}th barrel on the quay, and of who left it." for n in range(60)])
    assert growths.counted.total() == 60
    assert growths.counted["first"] == 1
    assert growths.counted["extended"] >= 54
    assert growths.counted["shrunk_idle"] >= 1
    assert growths.counted["shrunk_turn"] == growths.counted["changed"] == 0


async def test_a_shrunk_history_leaves_a_summary_in_its_place(tmp_path: Path) -> None:
    route = Recording("local", LONG)
    async with house(tmp_path, route, budget=BudgetSettings(prompt_tokens=2_048)) as home:
        by_rule(home)
        client = await home.enter("hilda")
        await talk(home, client, ["My name is Finn.", "The key is under the third step."])
        await talk(home, client, [f"Question {number}?" for number in range(30)])
        assert "player: My name is Finn.\n" not in route.prompts[-1]
        assert any(text.startswith("[You remember: ") and "Finn" in text for text in route.prompts[-1])


async def test_a_models_summary_is_asked_for_at_the_lowest_priority_and_checked(tmp_path: Path) -> None:
    route = Summariser("local", "Well met.", "Somebody asked Hilda about rooms. Later came King Borogrove himself.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await talk(home, client, [f"Any rooms left, number {number}?" for number in range(8)])
        world = await home.stage.world("default")
        seq = world.conversations["hilda"].read_to
        assert await renew_summary(home.stage, world, "hilda", seq) == "Somebody asked Hilda about rooms."
        assert [request.priority for request in route.asked_for_summaries] == [0]
        assert await renew_summary(home.stage, world, "hilda", seq) == "Somebody asked Hilda about rooms."
        assert len(route.asked_for_summaries) == 1
        state = await client.ask(m.State(id="q", npc="hilda"))
        assert isinstance(state, m.StateReport)
        assert state.summary == "Somebody asked Hilda about rooms."


@pytest.mark.parametrize("why", ["paid", "rules"])
async def test_no_model_is_asked_where_it_costs_money_or_rules_are_wanted(tmp_path: Path, why: str) -> None:
    route = Summariser("local", "Well met.", "Somebody asked Hilda about rooms.")
    route.paid = why == "paid"
    async with house(tmp_path, route) as home:
        if why == "rules":
            by_rule(home)
        client = await home.enter("hilda")
        await talk(home, client, ["My name is Finn.", *(f"Any rooms left, number {number}?" for number in range(8))])
        world = await home.stage.world("default")
        told = await renew_summary(home.stage, world, "hilda", world.conversations["hilda"].read_to)
        assert "Finn" in told
        assert route.asked_for_summaries == []


async def test_a_talk_that_rests_is_summed_up_and_the_next_one_begins_with_that(tmp_path: Path) -> None:
    route = Recording("local", "Well met.")
    async with house(tmp_path, route) as home:
        by_rule(home)
        client = await home.enter("hilda")
        await talk(home, client, ["My name is Finn.", *(f"Any rooms left, number {number}?" for number in range(8))])
        conversation = home.stage.worlds["default"].conversations["hilda"]
        world = home.stage.worlds["default"]
        # What the timer would run, now.
        await renew_summary(home.stage, world, "hilda", conversation.read_up_to(len(conversation.entries) - 4))
        await write_diary(home.stage, world, "hilda", conversation.read_to)
        await client.ask(m.Scene(id="gone", present=[]))
        await client.ask(m.Scene(id="back", present=[m.Present(npc="hilda")]))
        await talk(home, client, ["Hello again."])
        assert any(text.startswith("[You remember: ") and "Finn" in text for text in route.prompts[-1])
        state = await client.ask(m.State(id="q", npc="hilda"))
        assert isinstance(state, m.StateReport)
        assert len(state.diary) == 1


async def test_a_load_in_the_middle_of_a_summary_leaves_nothing_of_it(tmp_path: Path) -> None:
    route = Held("local", "Well met.", "Somebody spoke of the silver mine.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await talk(home, client, [f"Any rooms left, number {number}?" for number in range(8)])
        await client.ask(m.Save(id="save", save="one"))
        await talk(home, client, [f"The silver mine, number {number}?" for number in range(8)])
        world = await home.stage.world("default")
        seq = world.conversations["hilda"].read_to
        async with asyncio.timeout(10):
            summing_up = asyncio.create_task(renew_summary(home.stage, world, "hilda", seq))
            await route.began.wait()
            await client.ask(m.Load(id="load", save="one"))
            route.goes_on.set()
            await summing_up
        count = "SELECT count(*) FROM summaries"
        assert await home.stage.memory._database.read(lambda c: c.execute(count).fetchone()) == (0,)
        await talk(home, client, ["Hello?"])
        assert not any("silver mine" in text for text in route.prompts[-1])
        # The talk's own timer may still fire for the time that is left behind: it sums up what is seen from here.
        route.asked_for_summaries.clear()
        await renew_summary(home.stage, world, "hilda", seq)
        assert len(route.asked_for_summaries) == 1
        notes = "".join(getattr(each, "text", "") for each in route.asked_for_summaries[0].prompt.segments)
        assert "rooms left" in notes
        assert "silver mine" not in notes
