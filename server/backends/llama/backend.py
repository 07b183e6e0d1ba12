"""The route `kind: llama`: a GGUF answered by a process of our own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from server.backends.base import (
    Delta,
    Drawn,
    Finish,
    Forecast,
    Likely,
    Progress,
    Request,
    RouteCondition,
    RouteState,
    TextDelta,
    ToolCall,
    Usage,
)
from server.backends.llama.chances import Chances
from server.backends.llama.pace import Pace
from server.backends.llama.pipe import Frame
from server.backends.llama.schema import grammar_of
from server.backends.llama.store import HOUSE_HINT, missing_hint, resolve
from server.backends.llama.supervisor import Supervisor, Timing
from server.backends.llama.tool_calls import parse_tool_calls
from server.backends.llama.vocab import Vocabulary
from server.config import LlamaRoute
from server.errors import ContextOverflow, RouteBroken, RouteError, RouteRejected, RouteUnavailable


class LlamaBackend:
    """A `server.backends.base.Backend` on a worker process that is started, watched and restarted in the background."""

    kind = "llama"
    hosted = False
    paid = False
    generating = True

    def __init__(
        self,
        name: str,
        route: LlamaRoute,
        *,
        model_dir: Path,
        cache_dir: Path | None = None,
        python: str = sys.executable,
        timing: Timing | None = None,
    ) -> None:
        """Nothing is read or started yet.

        States of prompts are kept in `cache_dir` over a restart, in memory alone without it. `python` runs the worker;
        `timing` differs from the default in tests.
        """
        self.name = name
        self._route = route
        self._supervisor = Supervisor(
            name,
            route,
            lambda: resolve(route, model_dir),
            missing_hint=missing_hint(route, model_dir),
            cache_dir=cache_dir,
            python=python,
            timing=timing or Timing(),
        )

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The model's vocabulary, a `Tokenizer` with exact counts; None until it was read, which precedes `ready`."""
        return self._supervisor.vocabulary

    @property
    def context(self) -> int:
        """How many tokens a prompt and its reply may have together."""
        vocabulary = self.vocabulary
        return min(self._route.context, vocabulary.file.context) if vocabulary else self._route.context

    @property
    def pace(self) -> Pace | None:
        """How fast the engine is, as it measured itself; None until it did."""
        return self._supervisor.pace

    @property
    def worker_pid(self) -> int | None:
        """The process id of a worker that is ready, else None."""
        return self._supervisor.worker_pid

    async def start(self) -> None:
        """Begin to look for the model and to load it; returns at once."""
        self._supervisor.start()

    async def close(self) -> None:
        """End every request and the worker. Idempotent."""
        await self._supervisor.close()

    async def until(self, *conditions: RouteCondition) -> RouteState:
        """Wait until the route is in one of `conditions`; the caller sets the limit."""
        await self._supervisor.until(*conditions)
        return self.state()

    def state(self) -> RouteState:
        """What the route can do now."""
        supervisor = self._supervisor
        hint = supervisor.hint or (HOUSE_HINT if self.is_house and supervisor.condition == "ready" else "")
        return RouteState(self.name, self.kind, supervisor.condition, hint, self._model, degraded=self.is_house)

    @property
    def is_house(self) -> bool:
        """Whether this is the small model that ships."""
        return self._route.is_house

    async def probe(self) -> None:
        """Nothing to ask: `state` always knows."""

    def tokens_within(self, ms: float) -> int | None:
        """By the engine's own measurements; None until it has made them."""
        return self.pace.tokens_within(ms) if self.pace is not None else None

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Stream a reply. Closing the generator cancels it within one step of the engine.

        Raises:
            RouteUnavailable: no worker is ready.
            RouteBroken: the worker died or failed.
            ContextOverflow: the prompt does not fit the context.
        """
        vocabulary, frame = await self._frame("generate", request)
        frame |= {"max_tokens": request.max_tokens, "stop": list(request.stop), "sampling": self._sampling(request)}
        frame |= {"grammar": request.grammar or await _grammar_of(request.schema), "logprobs": request.logprobs}
        calls: list[ToolCall] = []
        with self._supervisor.job(frame) as answers:
            async for answer in answers:
                if answer["op"] == "tool":
                    calls += parse_tool_calls(answer["text"])
                    continue
                delta = self._delta(answer, vocabulary)
                yield replace(delta, tool_calls=tuple(calls)) if isinstance(delta, Finish) else delta

    async def choose(self, request: Request, choices: Sequence[str]) -> int:
        """Which of `choices` the model says to this prompt, as an index: always one of them, in few steps or none.

        `request.max_tokens`, `stop` and `grammar` have no part in it.

        Raises:
            ValueError: nothing to choose from, or an empty choice.
            RouteError: as `generate` does.
        """
        if not choices or not all(choices):
            raise ValueError("nothing to choose from, or an empty choice")
        vocabulary, frame = await self._frame("choose", request)
        frame |= {"choices": list(choices), "sampling": self._sampling(request)}
        with self._supervisor.job(frame) as answers:
            async for answer in answers:
                if answer["op"] == "done" and "choice" in answer:
                    return int(answer["choice"])
                self._delta(answer, vocabulary)
        raise RouteBroken("The engine chose nothing.")

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Read the prompt, so that a `generate` of it, or of one that begins with it, evaluates only the rest.

        Ends early when somebody wants to speak meanwhile. Raises as `generate` does.
        """
        vocabulary, frame = await self._frame("warm", request)
        with self._supervisor.job(frame) as answers:
            async for answer in answers:
                delta = self._delta(answer, vocabulary)
                if isinstance(delta, Progress):
                    yield delta

    @property
    def _model(self) -> str:
        vocabulary = self.vocabulary
        if vocabulary is not None:
            return vocabulary.file.name
        return self._route.model if self.is_house else (self._route.path or Path(self._route.file)).stem

    def _sampling(self, request: Request) -> dict[str, object]:
        return asdict(request.sampling) | {"temperature": request.sampling.temperature_or(self._route.temperature)}

    async def _frame(self, operation: str, request: Request) -> tuple[Vocabulary, Frame]:
        """What all three kinds of jobs begin with."""
        vocabulary = self.vocabulary
        if vocabulary is None:
            state = self.state()
            raise RouteUnavailable(f"The route {self.name} is {state.state}.", state.hint)
        tokens, bounds = await asyncio.to_thread(vocabulary.encode_bounded, request.prompt)
        return vocabulary, {"op": operation, "tokens": tokens, "bounds": bounds, "priority": request.priority}

    def _delta(self, frame: Frame, vocabulary: Vocabulary) -> Delta:
        match frame:
            case {"op": "text", "text": text, "tokens": tokens}:
                return TextDelta(text, tuple(tokens), _drawn(tokens, frame.get("chances") or (), vocabulary))
            case {"op": "forecast", "ms": ms, "new": new}:
                return Forecast(ms, new)
            case {"op": "progress", "done": done, "total": total}:
                return Progress(done, total)
            case {"op": "done", "reason": reason, "prompt": prompt, "cached": cached, "reply": reply}:
                usage = Usage(prompt=prompt, cached=cached, evaluated=prompt - cached, reply=reply)
                return Finish("length" if reason == "length" else "stop", usage, self._model, vocabulary.fingerprint)
            case {"op": "error", "kind": kind, "message": message}:
                raise self._error(kind, message)
        raise RouteBroken(f"The engine sent an unknown frame: {frame['op']}.")

    def _error(self, kind: str, message: str) -> RouteError:
        if kind == "overflow":
            hint = "Raise routes.<name>.context, or lower budget.prompt_tokens."
            return ContextOverflow(f"The prompt is too long for {self._model}: {message}.", hint)
        if kind == "refused":
            return RouteRejected(message, "Change the request.")
        return RouteBroken(message, "The engine is started again by itself; the next route answers meanwhile.")


def _drawn(tokens: Sequence[int], chances: Sequence[Chances], vocabulary: Vocabulary) -> tuple[Drawn, ...]:
    return tuple(
        Drawn(
            vocabulary.bytes_of(token),
            logprob,
            tuple(Likely(vocabulary.bytes_of(each), chance) for each, chance in likeliest),
        )
        for token, (logprob, likeliest) in zip(tokens, chances, strict=False)  # none where nobody asked
    )


async def _grammar_of(schema: str) -> str:
    """The grammar of a JSON Schema, made beside the event loop: a large one takes a while."""
    return await asyncio.to_thread(grammar_of, schema) if schema else ""
