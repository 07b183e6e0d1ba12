"""The contestant that this is all for: `LlamaBackend`, as the server uses it, with the model in its own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from server.backends.base import Finish, Progress, Request, Sampling, TextDelta
from server.backends.llama.backend import LlamaBackend
from server.backends.llama.vocab import Vocabulary
from server.bench.engine.contestant import Answer
from server.bench.engine.conversation import Reply
from server.bench.engine.setup import Setup
from server.config import LlamaRoute
from server.errors import BarkeepError
from server.personas.persona import Persona
from server.text.segments import Prompt

LOAD_S = 600.0
POLL_S = 0.05
PLAYER, BACKGROUND = 10, 0
GREEDY = Sampling(temperature=0.0, repeat_penalty=1.0)
_PERSONA = Persona(id="bench", name="Bench")


class Barkeep:
    """Our engine. `folder` is where it may keep states between two starts."""

    name = "barkeep"
    prepares = True
    restarts = True

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._setup = setup
        self._folder = folder
        self._backend: LlamaBackend | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """The model's, once it is loaded."""
        vocabulary = self._running().vocabulary
        assert vocabulary is not None  # it was read before the backend was ready
        return vocabulary

    @property
    def pid(self) -> int | None:
        """The process that holds the model."""
        return self._running().worker_pid

    async def start(self) -> None:
        """Load the model.

        Raises:
            BarkeepError: it cannot be loaded.
        """
        self._backend = LlamaBackend(
            self.name, route_of(self._setup), model_dir=self._folder, cache_dir=self._folder / "cache"
        )
        await self._backend.start()
        await until_measured(self._backend)

    async def close(self) -> None:
        """End the engine."""
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    async def answer(self, npc: str, prompt: Prompt, max_tokens: int, *, priority: int = PLAYER) -> Answer:
        """Have it answer."""
        began = time.perf_counter()
        first_ms, text = 0.0, ""
        drawn: list[int] = []
        async with aclosing(self._running().generate(_request(npc, prompt, max_tokens, priority))) as stream:
            async for delta in stream:
                match delta:
                    case TextDelta(text=more, token_ids=ids):
                        first_ms = first_ms or (time.perf_counter() - began) * 1_000
                        text += more
                        drawn += ids
                    case Finish(usage=usage, fingerprint=fingerprint):
                        return Answer(first_ms, Reply(text, tuple(drawn), fingerprint), usage.evaluated)
        raise BarkeepError("The engine's answer had no end.")

    async def warm(self, npc: str, prompt: Prompt, *, background: bool = False) -> None:
        """Have it read `prompt` ahead."""
        request = _request(npc, prompt, 1, BACKGROUND if background else PLAYER)
        async with aclosing(self._running().warm(request)) as stream:
            async for _ in stream:
                pass

    async def tokens(self, prompt: Prompt, max_tokens: int) -> AsyncGenerator[tuple[float, int], None]:
        """A reply as the times (`time.perf_counter`) and sizes in tokens of its pieces."""
        request = _request("npc", prompt, max_tokens, PLAYER)
        async with aclosing(self._running().generate(request)) as stream:
            async for delta in stream:
                if isinstance(delta, TextDelta):
                    yield time.perf_counter(), len(delta.token_ids)

    async def occupy(self, prompt: Prompt, max_tokens: int) -> AsyncGenerator[bool, None]:
        """A background reply, as whether each sign of it is a token (True) or more of the prompt read (False)."""
        request = _request("background", prompt, max_tokens, BACKGROUND)
        async with aclosing(self._running().generate(request)) as stream:
            async for delta in stream:
                if isinstance(delta, Progress | TextDelta):
                    yield isinstance(delta, TextDelta)

    def _running(self) -> LlamaBackend:
        if self._backend is None:
            raise BarkeepError("The engine is not running.")
        return self._backend


def route_of(setup: Setup) -> LlamaRoute:
    """The settings of a local route on the file that is measured."""
    return LlamaRoute(
        kind="llama",
        path=setup.model,
        context=setup.context,
        threads=setup.threads,
        gpu_layers=setup.gpu_layers,
        flash_attention=setup.flash_attention,
    )


async def until_measured(backend: LlamaBackend) -> None:
    """Wait until it is ready and has measured the machine, which the others would disturb.

    Raises:
        BarkeepError: it cannot be loaded.
    """
    async with asyncio.timeout(LOAD_S):
        state = await backend.until("ready", "down", "off")
    if state.state != "ready":
        raise BarkeepError(f"The engine is {state.state}: {state.hint}")
    async with asyncio.timeout(LOAD_S):
        while backend.pace is None:  # noqa: ASYNC110 - nothing else tells of it
            await asyncio.sleep(POLL_S)


def _request(npc: str, prompt: Prompt, max_tokens: int, priority: int) -> Request:
    return Request(npc=npc, prompt=prompt, persona=_PERSONA, max_tokens=max_tokens, sampling=GREEDY, priority=priority)
