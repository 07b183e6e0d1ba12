"""Saves with and without names, and a game's clock that says what the game does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.plugins.hooks import Rewind, TimeJump
from server.plugins.mods import Mods
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import Client, House, house, say

DAY = 86_400.0
ANSEL = {"character": "Ansel", "time": 5 * DAY}


class Decided(Mods):
    """Decides every jump the same way."""

    def __init__(self, *rewinds: Rewind) -> None:
        super().__init__()
        self.rewinds = rewinds
        self.jumps: list[TimeJump] = []

    def on_time_jump(self, jump: TimeJump) -> list[Rewind]:
        self.jumps.append(jump)
        return list(self.rewinds)


async def known(home: House, npc: str = "hilda") -> list[str]:
    return [event.text for event in await home.stage.memory.events_for("default", npc, after=0, limit=100)]


async def tick(client: Client, *times: float) -> None:
    for time in times:
        await client.ask(m.Scene(id=f"t{len(client.seen)}", time=time))


async def happens(client: Client, text: str) -> None:
    await client.ask(m.Event(id=text, text=text))


async def test_a_save_without_a_name_is_found_by_its_point(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Aye.")) as home:
        client = await home.enter("hilda")
        await happens(client, "first")
        await client.ask(m.Save(id="a", save=None, point=m.Point(**ANSEL, count=1)))
        await happens(client, "second")
        await client.ask(m.Save(id="b", save=None, point=m.Point(**ANSEL, count=2)))
        await happens(client, "third")
        await client.ask(m.Load(id="c", save=None, point=m.Point(**ANSEL, count=1)))
        assert await known(home) == ["first"]
        await client.ask(m.Load(id="d", save=None, point=m.Point(**ANSEL)))
        assert await known(home) == ["first", "second"]
        wrong = await client.ask(m.Load(id="e", save=None, point=m.Point(character="Mira", time=5 * DAY)))
        assert isinstance(wrong, m.Error)
        assert wrong.code == "unknown_save"


@pytest.mark.parametrize(
    "message",
    [
        m.Save(id="x", save=None),
        m.Save(id="x", save="a", point=m.Point(**ANSEL)),
        m.Save(id="x", save=None, point=m.Point(time=1.0)),
        m.Load(id="x", save="a", point=m.Point(**ANSEL)),
    ],
)
async def test_a_save_is_named_in_one_way(tmp_path: Path, message: m.ClientMessage) -> None:
    async with house(tmp_path, Route("local", "Aye.")) as home:
        answer = await (await home.enter("hilda")).ask(message)
        assert isinstance(answer, m.Error)
        assert answer.code == "bad_message"


async def test_a_game_without_saves_goes_back_in_time(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Aye.")) as home:
        client = await home.enter("hilda")
        for day in (1, 2, 3):
            await tick(client, day * DAY)
            await happens(client, f"day {day}")
        await client.ask(m.Load(id="back", save=None, point=m.Point(time=2 * DAY)))
        assert await known(home) == ["day 1", "day 2"]
        await tick(client, 2 * DAY + 60)
        assert not client.all(m.Notice)
        await client.ask(m.Load(id="zero", save=None, point=m.Point(time=0.0)))
        assert await known(home) == []


async def test_an_engines_first_stamp_moves_nothing_and_reaches_no_event(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Aye.")) as home:
        client = await home.enter("hilda")
        await tick(client, 42 * DAY)
        await happens(client, "before")
        await client.drop()
        client = await home.enter("hilda")
        await tick(client, DAY)
        await happens(client, "loading")
        await tick(client, 42 * DAY + 60)
        await happens(client, "after")
        events = await home.stage.memory.events_for("default", "hilda", after=0, limit=9)
        assert [event.text for event in events] == ["before", "loading", "after"]
        assert all(event.time is None or event.time >= 42 * DAY for event in events)
        assert [notice.code for notice in client.all(m.Notice)] == ["odd_time"]


async def back_in_time(tmp_path: Path, mods: Mods) -> tuple[list[str], list[m.Notice]]:
    """A save on day 4, events on days 4 and 9, and then it is day 4 again. Nobody sends `load`."""
    async with house(tmp_path, Route("local", "Aye."), mods=mods) as home:
        client = await home.enter("hilda")
        await tick(client, 4 * DAY)
        await happens(client, "day 4")
        await client.ask(m.Save(id="s", save="quick"))
        await happens(client, "still day 4")
        await tick(client, 9 * DAY)
        await happens(client, "day 9")
        await tick(client, 4 * DAY + 100, 4 * DAY + 110)
        await client.ask(say("Hello?"))
        await client.next(m.TurnEnd)
        spoken = ("Hello?", "Aye.")
        return [text for text in await known(home) if text not in spoken], client.all(m.Notice)


async def test_time_that_went_back_for_good_is_offered_as_a_load_and_moves_nothing(tmp_path: Path) -> None:
    mods = Decided()
    texts, notices = await back_in_time(tmp_path, mods)
    assert texts == ["day 4", "still day 4", "day 9"]
    assert [(notice.code, notice.saves) for notice in notices] == [("odd_time", None), ("time_jump", ["quick"])]
    assert mods.jumps == [TimeJump("default", "player", 9 * DAY, 4 * DAY + 110, ("quick",))]


@pytest.mark.parametrize(
    ("rewinds", "left"),
    [
        ((Rewind("quick"),), ["day 4"]),
        ((Rewind(),), ["day 4", "still day 4"]),
        ((Rewind("never saved"), Rewind("quick")), ["day 4"]),
    ],
)
async def test_a_mod_decides_where_a_jump_leads(tmp_path: Path, rewinds: Any, left: list[str]) -> None:
    texts, notices = await back_in_time(tmp_path, Decided(*rewinds))
    assert texts == left
    assert [notice.code for notice in notices] == ["odd_time"]


async def test_what_is_said_after_a_load_has_the_time_of_the_save(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Aye.")) as home:
        client = await home.enter("hilda")
        await tick(client, 4 * DAY)
        await happens(client, "early")
        await client.ask(m.Save(id="s", save="quick"))
        await tick(client, 9 * DAY)
        await client.ask(m.Load(id="l", save="quick"))
        await happens(client, "again")
        events = await home.stage.memory.events_for("default", "hilda", after=0, limit=9)
        assert [event.time for event in events] == [4 * DAY, 4 * DAY]
        await tick(client, 4 * DAY + 60)
        assert not client.all(m.Notice)
