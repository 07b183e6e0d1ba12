"""The composition root: the only place that knows every room."""

from __future__ import annotations

import asyncio
import functools
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from server import __version__
from server.backends import registry
from server.backends.base import Backend, RouteState
from server.backends.hosted.session import HttpSession
from server.backends.llama.backend import LlamaBackend
from server.backends.llama.vocab import Vocabulary
from server.config import Settings
from server.dialogue.completions.service import Completions
from server.dialogue.door import Door
from server.dialogue.sessions import Sessions
from server.dialogue.stage import Stage
from server.gateway.app import make_app
from server.gateway.deps import GatewayDeps
from server.gateway.health import HealthReport, SpendToday
from server.gateway.listener import Listener, listen
from server.gateway.metrics import Metrics
from server.memory.embedding import open_embedder
from server.memory.store import Memory
from server.personas.library import Change, PersonaLibrary
from server.personas.shelving import Kept, keep
from server.plugins.mods import Mods
from server.prompt.tokens import EstimatedTokenizer, Tokenizer
from server.protocol.messages import Hello, RouteInfo
from server.routing.counting import HostedCounting
from server.routing.ledger import Ledger
from server.routing.router import Router
from server.routing.spending import Purse, day_of

log = structlog.get_logger(__name__)

COLLECT_AFTER_OBJECTS = 10_000


@dataclass(slots=True)
class Barkeep:
    """A running server. Make it with `start`, end it with `close`."""

    settings: Settings
    stage: Stage
    sessions: Sessions
    listener: Listener
    _http: HttpSession
    _ledger: Ledger
    _background: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(cls, settings: Settings) -> Barkeep:
        """Open memory, wake the routes, load the mods, and listen.

        Models load in the background: the server answers from whichever route is ready.

        Raises:
            BarkeepError: the data folder, the address, the database or the embeddings cannot be used.
        """
        memory = await Memory.open(settings.data_dir)
        http = HttpSession()
        try:
            await _recall_by_meaning(settings, memory)
            return await cls._start(settings, memory, http)
        except BaseException:
            await http.close()
            await memory.close()
            raise

    @classmethod
    async def _start(cls, settings: Settings, memory: Memory, http: HttpSession) -> Barkeep:
        mods = await asyncio.to_thread(Mods.load, settings.mods.folders, settings.mods.enabled)
        library = PersonaLibrary((*settings.personas, *mods.persona_folders))
        await asyncio.to_thread(library.load)
        backends = _backends(settings, library, http)
        tokenizer = TokenizerInUse(backends)
        ledger = Ledger(memory)
        purse = await _open_purse(settings, memory, ledger, tokenizer)
        router = Router(backends, settings.routing, order=settings.dialogue.order, spending=purse)
        metrics = Metrics()
        stage = Stage(settings, memory, library, router, mods, tokenizer=tokenizer, purse=purse, observer=metrics)
        sessions = Sessions(stage)
        await router.start()
        try:
            health = functools.partial(_health, stage, sessions)
            keep_card = functools.partial(_keep_card, settings, library)
            completions = Completions(stage, sessions)
            app = make_app(GatewayDeps(settings.server, sessions, health, metrics, __version__, keep_card, completions))
            listener = await listen(app, settings.server)
        except BaseException:
            await router.close()
            raise
        barkeep = cls(settings, stage, sessions, listener, http, ledger)
        barkeep._background.append(asyncio.create_task(library.watch(_personas_changed), name="personas:watch"))
        barkeep._background.append(asyncio.create_task(_embed(memory), name="memory:embed"))

        async def open_door(hello: Hello) -> Door:
            return Door(await sessions.open(hello))

        try:
            await mods.start(open_door)
        except BaseException:  # stopped meanwhile: what runs already ends in its order
            await barkeep.close()
            raise
        return barkeep

    @property
    def url(self) -> str:
        """Where clients connect."""
        host, port = self.listener.address
        return f"ws://{f'[{host}]' if ':' in host else host}:{port}/v1/ws"

    def routes(self) -> list[RouteState]:
        """What each route can do now, in the order they are asked."""
        return self.stage.router.states()

    async def close(self) -> None:
        """End sessions, mods, routes and memory, in this order: what was heard is committed before memory closes."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.stage.mods.stop()
        await self.sessions.close()
        await self.listener.close()
        await self.stage.jobs.close()
        await self.stage.router.close()
        await self._http.close()
        await self._ledger.close()
        await self.stage.memory.close()


def settle() -> None:
    """Keep garbage collection short and rare, in a process that from now on only serves.

    What was made until now stays out of it, and it begins after 10,000 new objects instead of 700. Each time that it
    looks through everything, every conversation stops for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 10, 10)


class TokenizerInUse:
    """Counts with the vocabulary of the first local model, once it is read; by estimate until then."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._models = [backend for backend in backends if isinstance(backend, LlamaBackend)]
        self._estimate = EstimatedTokenizer()

    def __call__(self) -> Tokenizer:
        """The best tokenizer there is now."""
        return next(self._vocabularies(), self._estimate)

    def lfm2(self) -> Tokenizer | None:
        """The vocabulary of the LFM2 family; None where no local model of it is read."""
        own = (model.vocabulary for model in self._models if not model.is_house and model.vocabulary is not None)
        return next((each for each in own if each.file.architecture.startswith("lfm2")), None)

    def _vocabularies(self) -> Iterator[Vocabulary]:
        return (model.vocabulary for model in self._models if model.vocabulary is not None)


async def _recall_by_meaning(settings: Settings, memory: Memory) -> None:
    """Let memory use the embeddings that are configured, if any."""
    if (folder := settings.memory.embeddings) is not None:
        memory.recall_by_meaning(await asyncio.to_thread(open_embedder, folder))


async def _embed(memory: Memory) -> None:
    """Work out what earlier runs' events mean; what happens from now on follows as NPCs reflect on it."""
    while await memory.embed_new():
        pass


async def _open_purse(settings: Settings, memory: Memory, ledger: Ledger, tokenizer: TokenizerInUse) -> Purse:
    """The purse as the last run left it."""
    counting = HostedCounting(tokenizer.lfm2, await memory.ratios(), ledger.learn)
    return Purse(settings.spend, counting, books=ledger, spent=await memory.spent_on(day_of(time.time())))


def _backends(settings: Settings, library: PersonaLibrary, http: HttpSession) -> list[Backend]:
    """Those that some order or persona names: a model that nobody asks takes no memory."""
    own = (name for npc in library.ids() if (persona := library.get(npc)) for name in persona.routes)
    orders = (settings.dialogue.order, *settings.routing.orders.values(), own)
    names = dict.fromkeys(name for order in orders for name in order if name in settings.routes)
    data_dir = settings.data_dir
    deps = registry.Dependencies(model_dir=data_dir / "models", cache_dir=data_dir / "cache", http=http)
    return [registry.make(name, settings.routes[name], deps=deps) for name in names]


def _health(stage: Stage, sessions: Sessions) -> HealthReport:
    routes = [RouteInfo(name=state.name, state=state.state, hint=state.hint) for state in stage.router.states()]
    today, limit_reached = stage.purse.today, stage.purse.limit_reached
    spend = SpendToday(today.cost_usd, today.tokens, today.unpriced, limit_reached)
    return HealthReport(routes=routes, running=stage.generating, sessions=len(sessions), spend=spend)


async def _keep_card(
    settings: Settings, library: PersonaLibrary, data: bytes, wanted_id: str | None, is_replacing: bool
) -> Kept:
    def work() -> Kept:
        kept = keep(data, settings.personas[-1], wanted_id, is_replacing=is_replacing)
        library.load()
        return kept

    return await asyncio.to_thread(work)


def _personas_changed(change: Change) -> None:
    for problem in change.problems:
        log.warning("persona_problem", problem=str(problem))
    log.info("personas_changed", ids=sorted(change.ids))
