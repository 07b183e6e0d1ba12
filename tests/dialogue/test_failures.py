"""What goes wrong in one place stays there: a turn always ends, a mod's mistake costs no line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from server.backends.base import Backend, Progress, Request
from server.dialogue.jobs import Jobs
from server.dialogue.playback import Playback
from server.dialogue.scheduler import PLAYER, Scheduler
from server.dialogue.speech import FLUSH_AFTER_S, Speech
from server.errors import RouteBroken, StoreError
from server.plugins.hooks import ActionCall, ActionKind, Mod
from server.plugins.loader import LoadedMod, Manifest
from server.plugins.mods import Mods
from server.protocol import messages as m
from server.text.filters import ReplyFilter
from tests.support.routes import Route, Step
from tests.support.stage import Recording, house, say
from tests.support.virtual_time import virtual_time

REPLY = "Two rooms are left."
HANG = 3_600.0


async def test_a_turn_ends_though_its_persona_broke_while_it_ran(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Two rooms are left. Both", 0.05, " of them are dry.")) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        await client.next(m.Line)

        def broken(npc: str) -> Any:
            raise StoreError("the persona cannot be read")

        client.session.world.persona = broken  # type: ignore[method-assign]  # as after a bad edit of its file
        assert (await client.next(m.TurnEnd)).heard == "Two rooms are left. Both of them are dry."


async def test_a_turn_whose_end_cannot_be_told_of_still_ends(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")

        async def fail(*args: object) -> None:
            raise RuntimeError("nobody expects this")

        home.stage.memory.commit_turn = fail  # type: ignore[method-assign, assignment]  # a mistake of ours, say
        await client.ask(say())
        end = await client.next(m.TurnEnd)
        assert (end.reason, end.heard) == ("failed", "")
        assert client.session.open_turns == []


async def test_memory_that_cannot_be_read_fails_the_turn_in_words(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")

        async def fail(*args: object, **kwargs: object) -> None:
            raise StoreError("the disk is gone", "look for it")

        home.stage.memory.events_for = fail  # type: ignore[method-assign, assignment]  # what a lost disk does
        await client.ask(say())
        assert (await client.next(m.Notice, code="no_answer")).hint == "look for it"
        assert (await client.next(m.TurnEnd)).reason == "failed"


def loaded(mod: Mod) -> Mods:
    manifest = Manifest(name="odd", version="1", summary="a test", entry="code:Code")
    return Mods([LoadedMod(manifest, Path(), mod)])


class Nonsense(Mod):
    """Every hook returns something that it must not."""

    def lore(self) -> Any:
        return ["lore"]

    def actions(self) -> Any:
        return [None]

    def moods(self) -> Any:
        return [1]

    def on_event(self, happening: Any) -> Any:
        return ["hilda"]

    def on_say(self, heard: Any) -> Any:
        return [("bow", {})]


class Strict(BaseModel):
    depth: int

    @field_validator("depth")
    @classmethod
    def _fail(cls, value: int) -> int:
        raise KeyError(value)


class Bowing(Mod):
    def actions(self) -> Any:
        return [ActionKind("bow", "bows", Strict)]

    def on_say(self, heard: Any) -> Any:
        return [ActionCall("bow", {"depth": 1})]


@pytest.mark.parametrize("mod", [Nonsense(), Bowing()])
async def test_nonsense_from_a_mod_costs_no_line(tmp_path: Path, mod: Mod) -> None:
    mods = loaded(mod)
    async with house(tmp_path, Route("local", REPLY), mods=mods) as home:
        await mods.start(lambda hello: pytest.fail("no session is asked for"))
        client = await home.enter("hilda")
        assert isinstance(await client.ask(m.Event(id="e", text="A barge sinks.")), m.Ok)
        await client.ask(say())
        assert (await client.next(m.TurnEnd)).heard == REPLY
        await mods.stop()


async def test_a_warm_that_fails_is_told(tmp_path: Path) -> None:
    route = Route("local", REPLY, warm_steps=[RouteBroken("it broke", "mend it")])
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        await client.ask(m.Warm(id="w", npc="hilda"))
        notice = await client.next(m.Notice)
        assert (notice.re, notice.hint) == ("w", "mend it")


async def test_two_jobs_of_one_name_at_once_are_one() -> None:
    jobs = Jobs()
    ran: list[int] = []

    async def work(number: int) -> None:
        ran.append(number)

    jobs.start("warm", lambda: work(1))
    jobs.start("warm", lambda: work(2))
    await asyncio.sleep(0)
    await jobs.close()
    assert ran == [2]


async def test_a_voice_that_nobody_took_up_leaves_nothing_behind() -> None:
    scheduler = Scheduler()

    async def wait() -> None:
        async with scheduler.slot("w", "hilda", PLAYER):
            pass

    async with scheduler.slot("w", "hilda", PLAYER):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert scheduler._queues == {}


@virtual_time
async def test_the_watchdog_looks_again_where_it_found_no_whole_word() -> None:
    lines: list[str] = []
    speech = Speech(ReplyFilter("Hilda"), lambda text: None, lines.append)
    speech.feed("Hmmm")
    await asyncio.sleep(FLUSH_AFTER_S + 0.1)
    assert lines == []
    speech.feed("mm well I think so")
    await asyncio.sleep(FLUSH_AFTER_S + 0.1)
    assert lines == ["Hmmmmm well I think "]
    speech.cancel()


@virtual_time
async def test_a_deadline_that_was_met_cuts_no_later_line() -> None:
    lines: list[str] = []
    speech = Speech(ReplyFilter("Hilda"), lambda text: None, lines.append)
    speech.flush_in(1.0)
    speech.feed("Two rooms are left. Both of them ")
    await asyncio.sleep(1.1)
    assert [line.strip() for line in lines] == ["Two rooms are left."]
    speech.cancel()


class Hosted(Recording):
    hosted = True


async def test_a_hosted_route_that_fails_costs_the_local_one_no_history(tmp_path: Path) -> None:
    local = Recording("local", "Yes, " + "and so on, " * 10 + "that is that.")
    hosted = Hosted("hosted", RouteBroken("it broke"))
    routes: tuple[Backend, ...] = (local, hosted)
    async with house(tmp_path, *routes) as home:
        client = await home.enter("hilda")
        for number in range(24):
            local.condition = "down" if number == 22 else "ready"
            await client.ask(say(f"Question {number}?", id=f"s{number}"))
            await client.next(m.TurnEnd)
        assert len(local.prompts[-1]) > len(local.prompts[-2])


class Attentive(Route):
    """Says when it was asked to read ahead."""

    def __init__(self, name: str, *steps: Step) -> None:
        super().__init__(name, *steps)
        self.read_ahead = asyncio.Event()

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        self.read_ahead.set()
        async for progress in super().warm(request):
            yield progress


async def test_turns_of_one_line_are_read_ahead_while_the_former_is_played(tmp_path: Path) -> None:
    route = Attentive("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel", played=True)
        await client.ask(say("You two, listen.", to=["hilda", "ansel"]))
        await client.next(m.Line)
        async with asyncio.timeout(5):
            await route.read_ahead.wait()
        assert client.all(m.TurnEnd) == []
        await client.ask(m.Stop(id="x"))


@virtual_time
async def test_a_report_that_is_repeated_gives_no_more_time() -> None:
    playback = Playback(reported=True)
    for _ in range(2):
        playback.add("One. ", 0)
    draining = asyncio.create_task(playback.drained())
    for _ in range(8):
        playback.played(0, 0.5)
        await asyncio.sleep(1)
    assert draining.done()


async def test_what_memory_could_not_write_may_be_sent_again(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")

        async def fail(*args: object) -> None:
            raise StoreError("the disk is full", "free some room")

        home.stage.memory.record = fail  # type: ignore[method-assign, assignment]  # what a full disk does
        answer = await client.ask(say())
        assert isinstance(answer, m.Error)
        assert (answer.code, answer.hint, answer.retryable) == ("store", "free some room", True)
