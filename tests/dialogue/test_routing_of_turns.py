"""How a turn asks its routes, and what the game gets when they fail."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

from server.backends.authored import AuthoredBackend
from server.backends.base import Delta, Progress, Request
from server.config import RoutingSettings
from server.errors import (
    ContextOverflow,
    RouteBroken,
    RouteBusy,
    RouteError,
    RouteFiltered,
    RouteRejected,
    RouteUnavailable,
)
from server.protocol import messages as m
from tests.personas.cards import forge
from tests.support.routes import Route, Step
from tests.support.stage import house, say
from tests.support.talk import talk

REPLY = "Two rooms are left."
TURNS = 1_000
DEFLECTIONS = ("Ask me another, says Hilda.", "Not now, says Hilda.")


class Asked(Route):
    """Keeps every request."""

    def __init__(self, name: str, *steps: Step, hosted: bool = False) -> None:
        super().__init__(name, *steps, hosted=hosted)
        self.requests: list[Request] = []
        self.warms: list[Request] = []

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        return super().generate(request)

    def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        self.warms.append(request)
        return super().warm(request)


async def test_a_cards_character_speaks_first_and_with_its_first_words(tmp_path: Path) -> None:
    model, lines = Asked("local", REPLY), AuthoredBackend("lines", rng=random.Random(1))
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "tilda.json").write_text(json.dumps(forge.V2), encoding="utf-8")
    async with house(tmp_path, model, lines) as home:
        client = await home.enter("tilda")
        await client.ask(m.Cue(id="c1", npc="tilda"))
        first = await client.next(m.TurnEnd)
        assert (first.text, first.route.name) == ("You again, player?", "lines")
        assert not model.requests
        await client.ask(m.Cue(id="c2", npc="tilda"))
        assert (await client.next(m.TurnEnd, re="c2")).route.name == "local"
        await client.ask(m.Load(id="l", save=None))
        await client.ask(m.Cue(id="c3", npc="tilda", instruction="Ask what the player wants."))
        assert (await client.next(m.TurnEnd, re="c3")).route.name == "local"


async def test_a_request_says_what_it_is_for_and_where_its_prefix_was_before(tmp_path: Path) -> None:
    route = Asked("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(m.Warm(id="w", npc="hilda"))
        await client.ask(say())
        first = await client.next(m.TurnEnd)
        await client.ask(m.Cue(id="c", npc="ansel", ambient=True))
        await client.next(m.TurnEnd)
        asked = [(request.purpose, request.sticky) for request in route.requests]
        assert asked == [("dialogue", "default/hilda"), ("ambient", "default/ansel")]
        assert route.requests[0].turn == first.turn
        assert {request.sticky for request in route.warms} <= {"default/hilda", "default/ansel"}


async def test_a_personas_own_routes_are_asked_in_its_order(tmp_path: Path) -> None:
    local, big = Asked("local", "The small one."), Asked("big", "The big one.")
    async with house(tmp_path, local, big) as home:
        client = await home.enter("hilda", "ansel")
        await client.ask(m.Npc(id="n", npc="hilda", persona={"routes": ["big", "local"]}))
        await client.ask(say())
        assert (await client.next(m.TurnEnd)).text == "The big one."
        await client.ask(say(id="s2", to="ansel"))
        assert (await client.next(m.TurnEnd)).text == "The small one."


async def test_a_prompt_too_large_for_the_context_is_asked_smaller(tmp_path: Path) -> None:
    class Small(Asked):
        def steps_for(self, request: Request) -> tuple[Step, ...]:
            return (ContextOverflow("too large"),) if self.overflows and self.asked % 2 else (REPLY,)

        overflows = False

    hosted = Small("hosted", hosted=True)
    async with house(tmp_path, hosted) as home:
        client = await home.enter("hilda")
        for number in range(12):
            await client.ask(say(f"Is this the {number}th time that I ask you about rooms?", id=f"s{number}"))
            await client.next(m.TurnEnd)
        hosted.overflows = True
        hosted.asked = 0
        await client.ask(say("And now?", id="last"))
        end = await client.next(m.TurnEnd)
        assert [attempt.outcome for attempt in end.route.attempts] == ["context_overflow", "ok"]
        large, small = (len(request.prompt.segments) for request in hosted.requests[-2:])
        assert small < large


async def test_a_turn_that_nobody_answers_ends_in_character_and_says_why(tmp_path: Path) -> None:
    hint = "add some credit"
    async with house(tmp_path, Route("hosted", RouteRejected("SECRET no credit", hint, status=402))) as home:
        client = await home.enter("hilda")
        for number in range(3):
            await client.ask(say(id=f"s{number}"))
            end = await client.next(m.TurnEnd)
            assert (end.reason, end.degraded, end.route.name) == ("failed", True, None)
            assert end.heard == end.text
            assert end.heard in DEFLECTIONS
            assert not any("SECRET" in line.text for line in client.all(m.Line))
        notices = {notice.code: notice for notice in client.all(m.Notice)}
        assert notices["no_answer"].message.startswith("no route could answer")
        assert hint in notices["no_answer"].hint
        assert "SECRET no credit" in home.stage.router.states()[0].hint


async def test_a_deflection_is_history_like_any_other_line(tmp_path: Path) -> None:
    class Late(Asked):
        def steps_for(self, request: Request) -> tuple[Step, ...]:
            return (RouteFiltered("withheld"),) if self.asked == 1 else (REPLY,)

    hosted = Late("hosted")
    async with house(tmp_path, hosted) as home:
        client = await home.enter("hilda")
        await client.ask(say("What is under the floor?"))
        deflected = (await client.next(m.TurnEnd)).heard
        await client.ask(say("Never mind.", id="s2"))
        assert (await client.next(m.TurnEnd)).heard == REPLY
        texts = " ".join(getattr(segment, "text", "") for segment in hosted.requests[-1].prompt.segments)
        assert deflected in texts
        assert "under the floor" in texts


class Fickle(Route):
    """Fails in a way of its own each time, or answers."""

    def __init__(self, name: str, seed: int, *, hosted: bool) -> None:
        super().__init__(name, hosted=hosted)
        self._rng = random.Random(seed)

    def steps_for(self, request: Request) -> tuple[Step, ...]:
        errors: list[RouteError] = [
            RouteBroken("SPOILED"),
            RouteBusy("SPOILED"),
            RouteBusy("SPOILED", retry_after_s=0.01),
            RouteUnavailable("SPOILED"),
            RouteRejected("SPOILED", status=400),
            RouteFiltered("SPOILED"),
            ContextOverflow("SPOILED"),
        ]
        fate = self._rng.random()
        error = self._rng.choice(errors)
        if fate < 0.4:
            return (error,)
        if fate < 0.5:
            return ("Two rooms. ", error)
        if fate < 0.55:
            return (" ",)
        if fate < 0.58:
            return (60.0,)
        if fate < 0.61:
            return ("Two rooms. ", 60.0)
        return ("Two rooms are left. ", "Both of them are dry.")


async def test_a_thousand_turns_on_routes_that_fail_at_random_each_end_once_with_something_to_say(
    tmp_path: Path,
) -> None:
    before = asyncio.all_tasks()
    routes = [Fickle("hosted", 1, hosted=True), Fickle("local", 2, hosted=False)]
    short = {"first_text_ms": 60, "authored_after_ms": 150, "gap_ms": 60, "turn_ms": 400}
    routing = RoutingSettings(hedge_after_ms=20, hedge_percent=50, rest_s=0.01, rest_at_most_s=0.02)
    async with house(tmp_path, *routes, routing=routing, **short) as home:
        npcs = ("hilda", "ansel", "corrie", "hilda2")
        answered = sum(await asyncio.gather(*(talk(home, npc, TURNS // len(npcs)) for npc in npcs)), Counter())
        assert min(answered[name] for name in ("hosted", "local", None)) > TURNS // 20
        assert home.stage.generating == 0
    assert [route.open for route in routes] == [0, 0]  # after the house is closed: jobs ask routes as well
    assert asyncio.all_tasks() == before
    assert [route.warming for route in routes] == [0, 0]
