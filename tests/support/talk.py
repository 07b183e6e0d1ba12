"""A player who talks on and on, whatever becomes of the routes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from server.protocol import messages as m
from tests.support.stage import House, say


async def talk(home: House, npc: str, turns: int) -> Counter[str | None]:
    """Say something `turns` times, and see that each ends once and with something to say; at times it is cut short.

    Returns how many of them each route answered; None are deflections.
    """
    client = await home.enter(npc, world=npc)
    rng = random.Random(npc)
    for number in range(turns):
        await client.ask(say(f"Question {number}?", id=f"s{number}", to=npc))
        stopped = rng.random() < 0.05
        if stopped:
            await asyncio.sleep(0)
            await client.ask(m.Stop(id=f"x{number}"))
        end = await client.next(m.TurnEnd)
        spoken = [line.text for line in client.seen[-64:] if isinstance(line, m.Line) and line.turn == end.turn]
        assert spoken or end.reason == "stopped", end
        assert "SPOILED" not in " ".join(spoken)
        ends = [each for each in client.seen[-64:] if isinstance(each, m.TurnEnd) and each.turn == end.turn]
        assert len(ends) == 1
    ends = client.all(m.TurnEnd)
    assert len({end.turn for end in ends}) == len(ends) == turns
    return Counter(end.route.name for end in ends)
