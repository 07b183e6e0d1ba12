"""A test double that plays a script: timed text and typed errors, the same for every request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from server.backends.base import Delta, Finish, Progress, Request, RouteState, TextDelta, Usage
from server.config import ScriptedDelta, ScriptedRoute
from server.errors import RouteBroken, RouteBusy, RouteError, RouteRejected, RouteUnavailable
from server.text.segments import Prompt, Text

MODEL = "scripted"
_ERRORS: dict[str, type[RouteError]] = {
    "unavailable": RouteUnavailable,
    "rejected": RouteRejected,
    "busy": RouteBusy,
    "broken": RouteBroken,
}


class ScriptedBackend:
    """Plays `route.script`; without a script it repeats what was said, word by word. Each step is one token."""

    kind = "scripted"
    hosted = False
    paid = False
    generating = True

    def __init__(self, name: str, route: ScriptedRoute) -> None:
        """A backend that is ready at once."""
        self.name = name
        self._script = route.script

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to end."""

    def state(self) -> RouteState:
        """Always ready."""
        return RouteState(self.name, self.kind, "ready", model=MODEL)

    async def probe(self) -> None:
        """Always there."""

    def tokens_within(self, ms: float) -> int | None:
        """Not known."""
        return None

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Play the script, up to `request.max_tokens` texts.

        Raises:
            RouteError: where the script says so.
        """
        prompt, reply = _words(request.prompt), 0
        for step in self._script or _echo(request.heard):
            await asyncio.sleep(step.after_ms / 1000)
            if step.error:
                raise _ERRORS[step.error](f"the script of {self.name} says {step.error}")
            if step.text and reply == request.max_tokens:
                yield Finish("length", Usage(prompt, 0, prompt, reply), MODEL)
                return
            if step.text:
                reply += 1
                yield TextDelta(step.text)
        yield Finish("stop", Usage(prompt, 0, prompt, reply), MODEL)

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Read the whole prompt in one step."""
        total = _words(request.prompt)
        yield Progress(total, total)


def _echo(heard: str) -> Sequence[ScriptedDelta]:
    words = f"You said: {heard}".split() if heard else ["You", "said", "nothing."]
    return [ScriptedDelta(text=word if index == 0 else f" {word}") for index, word in enumerate(words)]


def _words(prompt: Prompt) -> int:
    """The size of a prompt in words, which stand for tokens here."""
    return sum(len(segment.text.split()) for segment in prompt.segments if isinstance(segment, Text))
