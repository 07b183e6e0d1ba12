"""What a client asks an NPC's memory for is looked for as a turn would."""

from __future__ import annotations

from pathlib import Path

from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import PERSONA, Client, house

DAY_S = 86_400.0
WEEK = ("Moonsday", "Marketday", "Restday")


async def memories(client: Client, query: str, k: int = 5) -> list[str]:
    answer = await client.ask(m.Recall(id=f"r{len(client.seen)}", npc="hilda", query=query, k=k))
    assert isinstance(answer, m.Memories)
    return [memory.text for memory in answer.memories]


async def carts_came(client: Client, days: range) -> None:
    for day in days:
        await client.ask(m.Scene(id=f"t{day}", time=day * DAY_S))
        await client.ask(m.Event(id=f"e{day}", text=f"A cart came to the mill with load {day}."))


async def test_the_world_s_own_days_mean_what_the_configuration_says(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Hm."), weekdays=WEEK) as home:
        client = await home.enter("hilda")
        await carts_came(client, range(30, 33))  # Moonsday, Marketday, Restday
        assert (await memories(client, "Which cart came on Moonsday?"))[0].endswith("load 30.")
        assert (await memories(client, "Which cart came on Marketday?"))[0].endswith("load 31.")


async def test_a_persona_that_forgets_soon_does_so_when_asked(tmp_path: Path) -> None:
    found = {}
    for half_life_h in (1.0, 100_000.0):
        folder = tmp_path / str(half_life_h)
        async with house(folder, Route("local", "Hm.")) as home:
            path = folder / "personas" / "hilda.yaml"
            path.write_text(PERSONA.format(id="hilda", name="Hilda") + f"memory_half_life_h: {half_life_h}\n")
            home.stage.library.load()
            client = await home.enter("hilda")
            await client.ask(m.Scene(id="a", time=0.0))
            await client.ask(m.Event(id="b", text="The silver cart from the far coast came to the old mill."))
            await client.ask(m.Scene(id="c", time=10 * DAY_S))
            await client.ask(m.Event(id="d", text="A cart came to the mill, and another one left for the north."))
            found[half_life_h] = await memories(client, "cart mill")
    assert found[1.0] != found[100_000.0]
