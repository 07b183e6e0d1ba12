"""Scenario files: what they may say, and how one is played through the real dialogue with a scripted route."""

from __future__ import annotations

import operator
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from server import yamlfile
from server.backends.base import Delta, Request
from server.dialogue.summarising import renew_summary
from server.memory.timeline import NO_END
from server.protocol import messages as m
from tests.support.stage import Client, House, Recording, house

DAY_S = 86_400.0
HOUR_S = 3_600.0
PLAYER = "player"

_COMPARISONS = {"<": operator.lt, ">": operator.gt, "=": operator.eq}
Bound = Annotated[str, StringConstraints(pattern=r"^[<>=] ?-?[0-9.]+$")]
Texts = tuple[str, ...]


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SceneStep(_Step):
    """What is around from now on; `present` are NPC ids. `day` counts from 1."""

    present: Texts | None = None
    place: str | None = None
    day: int | None = None
    hour: float = 0.0


class SayStep(_Step):
    """The player speaks; `answer` is what the NPC says then, of which the player hears the share `heard`."""

    to: str
    text: str
    answer: str = "Hm."
    whisper: bool = False
    heard: float = Field(1.0, ge=0, le=1)


class EventStep(_Step):
    """Something happens; without `witnesses` everyone present notices."""

    text: str
    kind: str = "event"
    witnesses: Texts | None = None


class PromptStep(_Step):
    """What the newest prompt of an NPC has and lacks, as parts of its text."""

    npc: str
    has: Texts = ()
    lacks: Texts = ()


class RecallStep(PromptStep):
    """What an NPC remembers at `query`, each as `source: text`."""

    query: str


class SummaryStep(PromptStep):
    """What an NPC's summary of older times has and lacks."""


class StateStep(_Step):
    """How an NPC stands to the player (or `toward`), as `> 0.1`, and its mood's word."""

    npc: str
    toward: str = PLAYER
    trust: Bound | None = None
    warmth: Bound | None = None
    respect: Bound | None = None
    fear: Bound | None = None
    mood: str | None = None


class Step(_Step):
    """One thing that happens or is looked at; exactly one of these."""

    scene: SceneStep | None = None
    say: SayStep | None = None
    event: EventStep | None = None
    save: str | None = None
    load: str | None = None
    prompt: PromptStep | None = None
    recall: RecallStep | None = None
    rest: Texts | None = None
    summary: SummaryStep | None = None
    state: StateStep | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Step:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"a step is one thing: {', '.join(type(self).model_fields)}")
        return self

    @property
    def what(self) -> Any:
        """The one thing."""
        [name] = self.model_fields_set
        return getattr(self, name)


class Scenario(_Step):
    """A file. `npcs` are ids and names; `player` is the player's name."""

    title: str
    about: str
    npcs: dict[str, str]
    player: str = "Aldo"
    steps: tuple[Step, ...]


def read(path: Path) -> Scenario:
    """The scenario in a file."""
    return Scenario.model_validate(yamlfile.load(path).data)


class _Teller(Recording):
    """Says what the step wants said, and keeps every prompt by NPC."""

    def __init__(self) -> None:
        super().__init__("local")
        self.by_npc: dict[str, str] = {}

    def will_say(self, text: str) -> None:
        self._steps = (text,)

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        stream = super().generate(request)
        if request.purpose == "dialogue":
            self.by_npc[request.npc] = "".join(self.prompts[-1])
        return stream


class _Play:
    """A scenario under way."""

    def __init__(self, home: House, client: Client, teller: _Teller) -> None:
        self._home = home
        self._client = client
        self._teller = teller
        self._number = 0

    async def step(self, step: Step) -> None:
        """Do or check one step."""
        [name] = step.model_fields_set
        self._number += 1
        await getattr(self, f"_{name}")(step.what)
        await self._home.stage.jobs.idle()

    async def _scene(self, scene: SceneStep) -> None:
        present = None if scene.present is None else [m.Present(npc=npc) for npc in scene.present]
        time = None if scene.day is None else (scene.day - 1) * DAY_S + scene.hour * HOUR_S
        await self._ask(m.Scene, present=present, place=scene.place, time=time)

    async def _say(self, said: SayStep) -> None:
        self._teller.will_say(said.answer)
        await self._ask(m.Say, text=said.text, to=said.to, whisper=said.whisper)
        line = await self._client.next(m.Line)
        await self._client.session.handle(m.Played(turn=line.turn, line=line.line, fraction=said.heard))
        await self._client.next(m.TurnEnd)

    async def _event(self, event: EventStep) -> None:
        witnesses = None if event.witnesses is None else list(event.witnesses)
        await self._ask(m.Event, text=event.text, kind=event.kind, witnesses=witnesses)

    async def _save(self, save: str) -> None:
        await self._ask(m.Save, save=save)

    async def _load(self, save: str) -> None:
        await self._ask(m.Load, save=save)

    async def _prompt(self, wanted: PromptStep) -> None:
        _compare(f"the prompt of {wanted.npc}", self._teller.by_npc.get(wanted.npc, ""), wanted)

    async def _recall(self, wanted: RecallStep) -> None:
        answer = await self._ask(m.Recall, npc=wanted.npc, query=wanted.query)
        assert isinstance(answer, m.Memories)
        told = "\n".join(f"{one.source}: {one.text}" for one in answer.memories)
        _compare(f"what {wanted.npc} remembers", told, wanted)

    async def _rest(self, npcs: Texts) -> None:
        world = await self._home.stage.world(self._client.session.world.name)
        for npc in npcs:  # what the timer runs after a talk, now, and for all of it
            await renew_summary(self._home.stage, world, npc, NO_END - 1)
            world.conversations.pop(npc, None)

    async def _summary(self, wanted: SummaryStep) -> None:
        answer = await self._ask(m.State, npc=wanted.npc)
        assert isinstance(answer, m.StateReport)
        _compare(f"the summary of {wanted.npc}", answer.summary, wanted)

    async def _state(self, wanted: StateStep) -> None:
        answer = await self._ask(m.State, npc=wanted.npc)
        assert isinstance(answer, m.StateReport)
        relation = next((one for one in answer.relations if one.to == wanted.toward), m.Relation(to=wanted.toward))
        for value in ("trust", "warmth", "respect", "fear"):
            bound = getattr(wanted, value)
            if bound is not None:
                is_so = _COMPARISONS[bound[0]](getattr(relation, value), float(bound[1:]))
                assert is_so, f"{wanted.npc}'s {value} is {getattr(relation, value)}, not {bound}"
        if wanted.mood is not None:
            assert answer.mood.label == wanted.mood, f"{wanted.npc} is {answer.mood.label}, not {wanted.mood}"

    async def _ask(self, message: type[Any], /, **fields: Any) -> m.ServerMessage:
        said = {name: value for name, value in fields.items() if value is not None}
        answer = await self._client.ask(message(id=f"step {self._number}", **said))
        assert not isinstance(answer, m.Error), answer
        return answer


async def play(scenario: Scenario, folder: Path) -> None:
    """Go through all steps.

    Raises:
        AssertionError: a check failed; the message names the step.
    """
    teller = _Teller()
    async with house(folder, teller, personas=tuple(scenario.npcs.items())) as home:
        background = home.stage.settings.background.model_copy(update={"summaries": "rules"})
        home.stage.settings = home.stage.settings.model_copy(update={"background": background})
        client = await home.enter(player=PLAYER, played=True)
        await client.ask(m.Scene(id="player", player=m.ScenePlayer(name=scenario.player)))
        run = _Play(home, client, teller)
        for number, step in enumerate(scenario.steps, 1):
            try:
                await run.step(step)
            except AssertionError as error:
                raise AssertionError(f"{scenario.title}, step {number}: {error}") from error


def _compare(what: str, told: str, wanted: PromptStep) -> None:
    plain = re.sub(r"\s+", " ", told).casefold()
    for text in wanted.has:
        assert text.casefold() in plain, f"{what} lacks {text!r}:\n{told}"
    for text in wanted.lacks:
        assert text.casefold() not in plain, f"{what} has {text!r}:\n{told}"
