"""One NPC in two worlds: two lives, and neither knows of the other."""

from __future__ import annotations

from pathlib import Path

from server.protocol import messages as m
from tests.support.stage import Recording, house, say


async def test_an_npc_lives_another_life_in_another_world(tmp_path: Path) -> None:
    route = Recording("local", "So it is.")
    async with house(tmp_path, route) as home:
        one, two = await home.enter("hilda", world="one"), await home.enter("hilda", world="two")
        await one.ask(m.Npc(id="n", npc="hilda", persona={"core": "You are Hilda, queen of the world one."}))
        for number in range(7):
            await one.ask(say(f"I promise you the silver key number {number} tomorrow, you fool.", id=f"s{number}"))
            await one.next(m.TurnEnd)
        await one.ask(m.Save(id="v", save="quick"))
        await home.stage.jobs.idle()
        await two.ask(say("Where is the silver key you were promised?", id="s0"))
        await two.next(m.TurnEnd)
        told = "".join(route.prompts[-1])
        assert told.count("silver key") == 1
        assert "queen of the world one" not in told
        memories = await two.ask(m.Recall(id="r", npc="hilda", query="silver key promise"))
        assert isinstance(memories, m.Memories)
        assert [one.text for one in memories.memories if "number" in one.text] == []
        state = await two.ask(m.State(id="q", npc="hilda"))
        assert isinstance(state, m.StateReport)
        assert (state.relations, state.mood.label, state.summary) == ([], "calm", "")
        refused = await two.ask(m.Load(id="l", save="quick"))
        assert isinstance(refused, m.Error)
        assert refused.code == "unknown_save"
        await two.ask(m.Load(id="l2", save=None))
        await one.ask(say("Do you remember the silver key?", id="again"))
        await one.next(m.TurnEnd)
        assert "number 6" in "".join(route.prompts[-1])
