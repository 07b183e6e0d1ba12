"""Backends and requests for tests of routing: scripted, and counting what is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from server.backends.base import (
    Delta,
    Finish,
    Forecast,
    Progress,
    Request,
    RouteCondition,
    RouteState,
    TextDelta,
    Usage,
)
from server.config import RoutingSettings
from server.errors import RouteError
from server.personas.persona import Persona
from server.routing.answer import Answer
from server.routing.limits import TurnLimits
from server.routing.router import Router
from server.text.segments import Close, Open, Part, Prompt, Text
from tests.support.virtual_time import now_s

Step = float | str | Progress | Forecast | RouteError
"""Seconds to wait, text to say, progress to report, a first token to foretell, an error to raise."""


def request(heard: str = "Any rooms left?", **fields: object) -> Request:
    turn = Part("turn", (Open("user"), Text(heard), Close(), Open("assistant")))
    base: dict[str, object] = {
        "npc": "hilda",
        "prompt": Prompt((Part("rules", (Open("system"), Text("Be brief."), Close())), turn)),
        "persona": Persona(id="hilda", name="Hilda"),
        "max_tokens": 32,
        "heard": heard,
    }
    return Request(**{**base, **fields})  # type: ignore[arg-type]  # tests name fields freely


class Route:
    """Plays `steps` for each request, then finishes; counts requests begun and still open."""

    hosted = False
    paid = False
    fingerprint = ""

    def __init__(
        self,
        name: str,
        *steps: Step,
        generating: bool = True,
        state: RouteCondition = "ready",
        warm_steps: Sequence[Step] = (),
        finishes: bool = True,
        hosted: bool = False,
        paid: bool = False,
        probes: Sequence[RouteError] = (),
    ) -> None:
        """`probes` are the errors of the first probes; later ones go well."""
        self.name = name
        self.kind = "scripted" if generating else "authored"
        self.generating = generating
        self.condition = state
        self.asked = 0
        self.probed = 0
        self.open = 0
        self.warmed = 0
        self.warming = 0
        self.started = False
        self.closed = False
        self._steps = steps
        self._warm_steps = warm_steps
        self._finishes = finishes
        self.hosted = hosted or self.hosted
        self.paid = paid or self.paid
        self._probes = list(probes)

    async def start(self) -> None:
        self.started = True

    async def close(self) -> None:
        self.closed = True

    def state(self) -> RouteState:
        return RouteState(self.name, self.kind, self.condition, f"start {self.name}", "model")

    async def probe(self) -> None:
        self.probed += 1
        if self._probes:
            raise self._probes.pop(0)

    def tokens_within(self, ms: float) -> int | None:
        return None

    def steps_for(self, request: Request) -> Sequence[Step]:
        """What is played for this request."""
        return self._steps

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.asked += 1
        self.open += 1
        try:
            async with aclosing(_play(self.steps_for(request))) as deltas:
                async for delta in deltas:
                    yield delta
            if self._finishes:
                yield Finish("stop", Usage(reply=1), "model", fingerprint=self.fingerprint)
        finally:
            self.open -= 1

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        self.warmed += 1
        self.warming += 1
        try:
            async with aclosing(_play(self._warm_steps)) as deltas:
                async for delta in deltas:
                    assert isinstance(delta, Progress)
                    yield delta
        finally:
            self.warming -= 1


async def _play(steps: Sequence[Step]) -> AsyncGenerator[TextDelta | Progress | Forecast, None]:
    for step in steps:
        if isinstance(step, RouteError):
            raise step
        if isinstance(step, Progress | Forecast):
            yield step
        elif isinstance(step, str):
            yield TextDelta(step)
        else:
            await asyncio.sleep(step)


def limits(**changed: float) -> TurnLimits:
    base = {"first_text_ms": 2_500, "authored_after_ms": 8_000, "gap_ms": 4_000, "turn_ms": 20_000, "received_s": 0.0}
    return TurnLimits(**{**base, **changed})


def authored() -> Route:
    return Route("authored", "Ask me later.", generating=False)


UNHEDGED = RoutingSettings(hedge_percent=0)
"""For tests of what happens when no second route is asked beside the first."""


def ask(*routes: Route, **changed: float) -> Answer:
    """One answer, without hedges."""
    return Router(routes, UNHEDGED, clock=now_s).answer(lambda backend: request(), limits(**changed))


async def text_of(answer: Answer) -> str:
    try:
        async with aclosing(answer):
            return "".join([delta.text async for delta in answer if isinstance(delta, TextDelta)])
    finally:
        await asyncio.sleep(0)  # routes without warm steps read on for one round of the loop
