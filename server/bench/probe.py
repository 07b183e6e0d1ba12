"""The scripted backend, with the time of each request and of each token."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from server.backends.base import Backend, Delta, Progress, Request, RouteState, TextDelta
from server.backends.scripted import ScriptedBackend
from server.config import ScriptedDelta, ScriptedRoute

REPLY = (
    "There is one bed left under the roof, dry and quiet. Leave your boots by the door, and mind the third stair. "
    "Supper is barley and smoked eel tonight."
)


@dataclass(slots=True)
class Asked:
    """One request: what it answers, when the backend was asked, and its tokens, each with the time it was given."""

    heard: str
    at_ns: int
    tokens: list[tuple[int, str]] = field(default_factory=list)


class TimedBackend:
    """A backend that notes when it is asked, and when it gives each token away; times are `time.monotonic_ns`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name = backend.name
        self.kind = backend.kind
        self.hosted = backend.hosted
        self.generating = backend.generating
        self.paid = backend.paid
        self.asked: list[Asked] = []

    async def start(self) -> None:
        """Start it."""
        await self._backend.start()

    async def close(self) -> None:
        """End it."""
        await self._backend.close()

    def state(self) -> RouteState:
        """Its state."""
        return self._backend.state()

    async def probe(self) -> None:
        """As the backend."""
        await self._backend.probe()

    def tokens_within(self, ms: float) -> int | None:
        """Its own answer."""
        return self._backend.tokens_within(ms)

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Its reply."""
        asked = Asked(request.heard, time.monotonic_ns())
        self.asked.append(asked)
        return self._timed(request, asked)

    def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Its reading."""
        return self._backend.warm(request)

    async def _timed(self, request: Request, asked: Asked) -> AsyncGenerator[Delta, None]:
        async with aclosing(self._backend.generate(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    asked.tokens.append((time.monotonic_ns(), delta.text))
                yield delta


def timed_script(name: str) -> TimedBackend:
    """A timed backend that says `REPLY` to everything, a word a token, without delay."""
    words = REPLY.split(" ")
    script = tuple(ScriptedDelta(text=word if index == 0 else f" {word}") for index, word in enumerate(words))
    return TimedBackend(ScriptedBackend(name, ScriptedRoute(kind="scripted", script=script)))
