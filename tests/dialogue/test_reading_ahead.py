"""What is read before it is needed: while the player types, and after a turn."""

from __future__ import annotations

from pathlib import Path

from server.config import BudgetSettings
from server.protocol import messages as m
from tests.support.stage import House, Recording, house, say

MARKED = "*smiles* Two rooms are left."
LONG = "Yes, " + "and so on, " * 12 + "and that is that."


async def idle(home: House) -> None:
    """Until no job runs any more."""
    while jobs := list(home.stage.jobs._tasks.values()):
        for job in jobs:
            await job


async def test_what_the_player_has_typed_is_read_but_for_the_unfinished_word(tmp_path: Path) -> None:
    route = Recording("local", "Two rooms are left.")
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(m.Warm(id="w", npc="hilda", text="Any rooms le"))
        await client.next(m.Notice, code="warm")
        assert route.read[0][-1] == "player: Any rooms"
        await client.ask(say())
        await client.next(m.TurnEnd)
        assert "".join(route.prompts[0]).startswith("".join(route.read[0]))


async def test_words_that_are_not_the_engines_own_are_read_at_once(tmp_path: Path) -> None:
    route = Recording("local", MARKED)
    route.fingerprint = "a vocabulary"
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        end = await client.next(m.TurnEnd)
        assert end.heard == "Two rooms are left."
        await idle(home)
        assert end.heard in route.read[-1]
        await client.ask(say("And breakfast?", id="s2"))
        await client.next(m.TurnEnd)
        assert "".join(route.prompts[1]).startswith("".join(route.read[0]))


async def test_a_shorter_history_takes_over_once_it_was_read(tmp_path: Path) -> None:
    route = Recording("local", LONG)
    async with house(tmp_path, route, budget=BudgetSettings(prompt_tokens=2_048)) as home:
        client = await home.enter("hilda")
        held = 0
        for number in range(30):
            await client.ask(say(f"Question {number}?", id=f"s{number}"))
            await client.next(m.TurnEnd)
            await idle(home)
            conversation = home.stage.worlds["default"].conversations["hilda"]
            if len(conversation.entries) < held:
                break
            held = len(conversation.entries)
        else:
            raise AssertionError("history never shrank")
        head = "".join(route.read[-1])
        assert f"Question {number}?" in head
        assert "player: Question 0?" not in head
        await client.ask(say("Last question?", id="last"))
        await client.next(m.TurnEnd)
        shared = head.rindex("Question")
        assert "".join(route.prompts[-1])[:shared] == head[:shared], "the next turn begins with what was read"
