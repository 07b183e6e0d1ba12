"""Random programs of a player's life beside a tiny model that copies lists: each prompt holds what its NPC lived
through, heard and was told, all that is new of it, and nothing else.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.backends.base import Delta, Request
from server.config import BudgetSettings
from server.dialogue.conversation import CARRIED_TURNS, MAX_UNREAD_EVENTS
from server.protocol import messages as m
from server.routing.router import Router
from tests.support.dialogue_oracle import AtOnce, tags
from tests.support.rig import programs
from tests.support.routes import Route
from tests.support.stage import Client, House, house
from tests.support.virtual_time import VirtualTimeLoop, now_s

NPCS = ("hilda", "ansel", "corrie")
ROOM = BudgetSettings(prompt_tokens=16_000, new_tokens=4_000)
LINES = 2


@dataclass
class Mind:
    """What one NPC lived through: tags. `turns` are those of its turns that stand in its prompt."""

    lived: list[str] = field(default_factory=list)
    turns: list[list[str]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def notice(self, tag: str) -> None:
        self.lived.append(tag)
        self.unread.append(tag)

    def part(self) -> None:
        """A conversation is over: the next begins with the last turns of this one."""
        self.turns = self.turns[-CARRIED_TURNS:]

    @property
    def expected(self) -> set[str]:
        return {tag for turn in self.turns for tag in turn} | set(self.unread[-MAX_UNREAD_EVENTS:])


Minds = dict[str, Mind]


class Answering(Route):
    """Answers in two lines, each with a tag of its own."""

    def __init__(self) -> None:
        super().__init__("local")
        self.prompts: list[tuple[str, set[str]]] = []

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.prompts.append(
            (request.npc, tags("\n".join(getattr(each, "text", "") for each in request.prompt.segments)))
        )
        number = len(self.prompts)
        self._steps = (f"I tell you qr{number}a and no more of that. And then there is qr{number}b, as I have said.",)
        async for delta in super().generate(request):
            yield delta


class Life:
    """Runs one program and its model, step by step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.route = Answering()
        self.minds: Minds = {npc: Mind() for npc in NPCS}
        self.saves: dict[str, Minds] = {}
        self.present: dict[str, bool] = {}
        self.count = 0
        self.open = AsyncExitStack()
        self.home: House
        self.client: Client

    async def begin(self) -> None:
        self.home = await self.open.enter_async_context(house(self.folder, self.route, budget=ROOM))
        self.home.stage.clock = now_s
        self.home.stage.router = Router([self.route], clock=now_s)
        self.client = await self.home.enter(played=True)
        await self.scene(dict.fromkeys(NPCS, True))

    def fresh(self) -> str:
        self.count += 1
        return f"q{self.count}"

    async def ask(self, message: m.ClientMessage) -> m.ServerMessage:
        return await self.client.ask(message)

    @property
    def awake(self) -> list[str]:
        return [npc for npc, is_awake in self.present.items() if is_awake]

    async def scene(self, present: dict[str, bool]) -> None:
        """Who is there, and whether awake."""
        for npc in self.present.keys() - present.keys():
            self.minds[npc].part()
        self.present = present
        there = [m.Present(npc=npc, asleep=not is_awake) for npc, is_awake in present.items()]
        await self.ask(m.Scene(id=self.fresh(), present=there))

    async def event(self, _: str, pick: int) -> None:
        tag = f"qe{self.count}"
        witnesses = list(NPCS[: pick % 4]) if pick > 4 else None
        await self.ask(m.Event(id=self.fresh(), text=f"There was {tag}.", witnesses=witnesses))
        for npc in self.awake if witnesses is None else witnesses:
            self.minds[npc].notice(tag)

    async def rumour(self, npc: str, pick: int) -> None:
        tag = f"qh{self.count}"
        teller = NPCS[pick % 3]
        await self.ask(m.Event(id=self.fresh(), text=f"Of {tag} they speak.", witnesses=[npc], told_by=teller))
        if npc != teller:
            self.minds[npc].notice(tag)

    async def say(self, npc: str, pick: int, *, whisper: bool = False) -> None:
        tag = f"qs{self.count}"
        answer = await self.ask(m.Say(id=self.fresh(), text=f"Hear me: {tag}.", to=npc, whisper=whisper))
        assert isinstance(answer, m.Ok)
        reached = npc in self.awake
        assert bool(answer.turns) == reached
        hearers = [npc] if whisper and reached else [] if whisper else self.awake
        for each in hearers:
            self.minds[each].notice(tag)
        if answer.turns:
            await self.answered(npc, answer.turns[0].turn, hearers, heard=min(pick % 4, LINES))

    async def whisper(self, npc: str, pick: int) -> None:
        await self.say(npc, pick, whisper=True)

    async def answered(self, npc: str, turn: str, hearers: list[str], *, heard: int) -> None:
        """The NPC speaks; so many of its lines are heard, and then it is interrupted."""
        lines = [await self.client.next(m.Line, turn=turn) for _ in range(LINES)]
        mind = self.minds[npc]
        asked, told = self.route.prompts[-1]
        assert asked == npc
        assert mind.expected <= told <= set(mind.lived), (
            npc,
            sorted(mind.expected - told),
            sorted(told - {*mind.lived}),
        )
        for line in lines[:heard]:
            await self.client.session.handle(m.Played(turn=turn, line=line.line))
        if heard < LINES:
            await self.client.session.handle(m.Stop())
        end = await self.client.next(m.TurnEnd, turn=turn)
        said = sorted(tags(" ".join(line.text for line in lines[:heard])))
        assert sorted(tags(end.heard)) == said
        mind.turns.append([*mind.unread, *said])
        mind.unread = []
        mind.lived += said
        for each in hearers:
            if each != npc:
                for tag in said:
                    self.minds[each].notice(tag)

    async def walk(self, npc: str, pick: int) -> None:
        present = {each: self.present.get(each, True) for each in NPCS if each != npc or each not in self.present}
        await self.scene(present)

    async def sleep(self, npc: str, pick: int) -> None:
        await self.scene({each: is_awake != (each == npc) for each, is_awake in self.present.items()})

    async def save(self, _: str, pick: int) -> None:
        await self.ask(m.Save(id=self.fresh(), save="ab"[pick % 2]))
        self.saves["ab"[pick % 2]] = deepcopy(self.minds)

    async def load(self, _: str, pick: int) -> None:
        name = (None, "a", "b")[pick % 3]
        answer = await self.ask(m.Load(id=self.fresh(), save=name))
        assert isinstance(answer, m.Ok) == (name is None or name in self.saves)
        if isinstance(answer, m.Ok):
            self.minds = {npc: Mind() for npc in NPCS} if name is None else deepcopy(self.saves[name])
            self.part()

    async def restart(self, _: str, pick: int) -> None:
        await self.open.aclose()
        self.part()
        self.present = {}
        await self.begin()

    def part(self) -> None:
        for mind in self.minds.values():
            mind.part()


OFTEN = ("say", "say", "event", "whisper")
STEPS = st.tuples(
    st.sampled_from((*OFTEN, *OFTEN, "rumour", "walk", "sleep", "save", "load", "restart")),
    st.sampled_from(NPCS),
    st.integers(0, 9),
)


@pytest.mark.timeout(60 + 2 * programs(70))
@settings(max_examples=programs(70), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(program=st.lists(STEPS, min_size=6, max_size=30))
def test_each_prompt_holds_what_its_npc_lived_through_and_nothing_else(program: list[tuple[str, str, int]]) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(patch("server.memory.database.ThreadPoolExecutor", AtOnce))
        runner = stack.enter_context(asyncio.Runner(loop_factory=VirtualTimeLoop))
        runner.run(_run(folder, program))


async def _run(folder: Path, program: list[tuple[str, str, int]]) -> None:
    life = Life(folder)
    try:
        await life.begin()
        for kind, npc, pick in program:
            await getattr(life, kind)(npc, pick)
        await life.scene(dict.fromkeys(NPCS, True))
        for npc in NPCS:
            await life.say(npc, LINES)
    finally:
        await life.open.aclose()
