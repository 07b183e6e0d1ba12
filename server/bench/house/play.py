"""Asks the house model: prompts by the server's own builder, replies by its engine, as raw as the engine gives them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from server.backends.base import Finish, Request, Sampling, TextDelta
from server.backends.llama.backend import LlamaBackend
from server.bench.house.cases import Case, Line
from server.config import LlamaRoute, Settings, default_routes
from server.errors import RouteUnavailable
from server.personas.persona import Persona
from server.prompt.build import build
from server.prompt.context import BuiltPrompt, HistoryEntry, Item, PromptLimits, TurnContext
from server.prompt.rules import RULES
from server.prompt.tokens import Tokenizer
from server.text.segments import Text

LOAD_S = 60.0
AT_ONCE = 4
Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came. `ended`: the model ended it by itself. Times from the request, in milliseconds."""

    text: str
    ended: bool
    first_ms: float = 0.0
    whole_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Played:
    """A case and its replies, one for each line that had none of its own."""

    case: Case
    replies: tuple[Reply, ...]

    @property
    def last(self) -> Reply:
        """The one that is judged."""
        return self.replies[-1]


@asynccontextmanager
async def awake(path: Path) -> AsyncIterator[Player]:
    """A player with the model at `path`, ready, run as the route that ships.

    Raises:
        RouteUnavailable: it cannot be loaded.
    """
    shipped = default_routes()["house"].model_dump()
    route = LlamaRoute.model_validate(shipped | {"path": path})
    backend = LlamaBackend("house", route, model_dir=path.parent)
    await backend.start()
    try:
        async with asyncio.timeout(LOAD_S):
            state = await backend.until("ready", "down")
        if state.state != "ready" or backend.vocabulary is None:
            raise RouteUnavailable(f"The house model is {state.state}.", state.hint)
        yield Player(backend, backend.vocabulary)
    finally:
        await backend.close()


class Player:
    """Plays cases on a backend."""

    def __init__(self, backend: LlamaBackend, tokenizer: Tokenizer) -> None:
        """`tokenizer` is the model's own."""
        self._backend = backend
        self._tokenizer = tokenizer
        budget = Settings().budget
        self._limits = PromptLimits(budget.prompt_tokens, budget.new_tokens, budget.recall_tokens)
        self._reply_tokens = budget.reply_tokens

    async def play_all(self, cases: Iterable[Case], seed: int, tell: Tell = lambda done: None) -> list[Played]:
        """All cases, some at a time; every reply has a seed of its own. `tell` is told how many are done."""
        gate = asyncio.Semaphore(AT_ONCE)
        done = itertools.count(1)

        async def one(number: int, case: Case) -> Played:
            async with gate:
                played = await self.play(case, seed + number)
            tell(next(done))
            return played

        return list(await asyncio.gather(*(one(number, case) for number, case in enumerate(cases))))

    async def play(self, case: Case, seed: int) -> Played:
        """One case."""
        history: list[HistoryEntry] = []
        replies: list[Reply] = []
        for line in case.lines:
            built = self.prompt(case.persona, case.player, line, history)
            if line.reply is None:
                replies.append(await self.ask(built, case.persona, case.player, seed))
            said = replies[-1].text if line.reply is None else line.reply
            history.append(HistoryEntry(built.written, Text(said)))
        return Played(case, tuple(replies))

    def prompt(self, persona: Persona, player: str, line: Line, history: Sequence[HistoryEntry]) -> BuiltPrompt:
        """The prompt of one turn."""
        context = TurnContext(
            rules=RULES,
            persona=persona,
            player_name=player,
            history=tuple(history),
            scene=line.scene,
            events=line.events,
            line=line.line,
            memories=tuple(Item(f"m{at}", text) for at, text in enumerate(line.memories)),
            lore=tuple(Item(f"l{at}", text) for at, text in enumerate(line.lore)),
            others=line.others,
            cue=line.cue,
        )
        return build(context, self._limits, self._tokenizer)

    async def ask(self, built: BuiltPrompt, persona: Persona, player: str, seed: int | None = None) -> Reply:
        """One reply, at default sampling."""
        request = Request(
            npc=persona.id,
            prompt=built.prompt,
            persona=persona,
            max_tokens=self._reply_tokens,
            stop=(f"\n{player}:",),
            sampling=replace(Sampling(), seed=seed),
            sticky=persona.id,
        )
        began_s, first_s, text, ended = time.perf_counter(), 0.0, "", False
        async for delta in self._backend.generate(request):
            if isinstance(delta, TextDelta):
                first_s = first_s or time.perf_counter()
                text += delta.text
            elif isinstance(delta, Finish):
                ended = delta.reason == "stop"
        return Reply(text.strip(), ended, (first_s - began_s) * 1_000, (time.perf_counter() - began_s) * 1_000)
