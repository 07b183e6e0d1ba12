"""Plain routes: the client's own messages, answered by the route that it names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from server.backends.base import Backend, Delta, Finish, Request, TextDelta, ToolCall
from server.dialogue.completions.fitting import fit
from server.dialogue.completions.merge import merged
from server.dialogue.completions.prompt import prompt_of, prompt_of_text, role_of, tools_message, words_of
from server.dialogue.completions.replies import Replies
from server.dialogue.completions.wanted import ChatMessage, Tool, Wanted
from server.dialogue.scheduler import AMBIENT, PLAYER
from server.dialogue.stage import Stage
from server.errors import ApiError, RouteUnavailable
from server.personas.persona import Persona
from server.prompt.tokens import Tokenizer, count_segments
from server.routing.direct import Direct
from server.text.segments import Close, Open, Prompt, Text

_NOBODY = Persona(id="assistant", name="Assistant")
START_TOKENS = 1
"""What may stand before everything: a start-of-text token."""


class Vocabulary(Protocol):
    """The exact vocabulary of a local route."""

    @property
    def fingerprint(self) -> str:
        """Names the vocabulary."""

    @property
    def exact(self) -> bool:
        """True."""

    @property
    def end_tokens(self) -> Collection[int]:
        """Tokens that end a reply."""

    def count(self, text: str) -> int:
        """The number of tokens of `text`, special parsing off."""

    def tokenise(self, text: str) -> tuple[int, ...]:
        """The ids of `text`, special parsing off."""

    def text_of(self, tokens: Sequence[int]) -> str:
        """What `tokens` spell; ValueError for ids of no token."""

    def encode(self, prompt: Prompt) -> list[int]:
        """The ids of a whole prompt."""


@dataclass(frozen=True, slots=True)
class Model:
    """What can be asked. `context` is in tokens, None where nobody knows; `ready` False while it cannot answer."""

    id: str
    name: str
    context: int | None
    ready: bool
    hint: str = ""


class PlainRoutes:
    """Answers `Wanted` through one route each, with every sampling setting as it was sent."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._replies = Replies()

    def models(self) -> list[Model]:
        """The routes that generate, in the order in which they are asked."""
        found = (self._stage.router.direct(state.name) for state in self._stage.router.states())
        return [self._model(route) for route in found if route is not None and route.backend.generating]

    def vocabulary(self, name: str) -> Vocabulary | None:
        """The vocabulary of a local route, once it is read; of the first that has one where `name` has none."""
        names = (name, *(state.name for state in self._stage.router.states()))
        routes = (self._stage.router.direct(each) for each in names)
        found = (getattr(route.backend, "vocabulary", None) for route in routes if route is not None)
        return next((vocabulary for vocabulary in found if vocabulary is not None), None)

    def count(self, name: str, wanted: Wanted) -> int:
        """The tokens of the prompt."""
        route = self._route(name)
        return self._size(self._prompt(wanted), self._tokenizer(route.backend))

    async def stream(self, name: str, wanted: Wanted) -> AsyncGenerator[tuple[int, Delta], None]:
        """The deltas of every reply wanted, each with the number of its reply.

        The first reply reads the prompt, and the others go on from there.

        Raises:
            ApiError: it cannot be done as it was asked.
            RouteError: the route failed.
        """
        route = self._route(name)
        _check_abilities(route.backend, wanted)
        request = await self._request(route, wanted)
        streams = [self._one(route, wanted, _numbered(request, number)) for number in range(wanted.n)]
        async with aclosing(merged(streams)) as deltas:
            async for entry in deltas:
                yield entry

    async def _one(self, route: Direct, wanted: Wanted, request: Request) -> AsyncGenerator[Delta, None]:
        said, has_all_ids = "", True
        ids: list[int] = []
        self._stage.generating += 1
        try:
            async with aclosing(route.generate(request)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        said += delta.text
                        ids += delta.token_ids
                        has_all_ids = has_all_ids and bool(delta.token_ids)
                        if wanted.forced:
                            continue
                    elif isinstance(delta, Finish):
                        self._replies.keep(said, delta.fingerprint, tuple(ids) if has_all_ids else ())
                        delta = _with_call(delta, said, wanted.forced)
                    yield delta
        finally:
            self._stage.generating -= 1

    async def _request(self, route: Direct, wanted: Wanted) -> Request:
        backend = route.backend
        if route.state().state != "ready":
            raise RouteUnavailable(f"The route {route.name} is {route.state().state}.", route.state().hint)
        prompt, size = await asyncio.to_thread(self._fitted, backend, wanted)
        most = self._stage.settings.api.reply_tokens if wanted.max_tokens is None else wanted.max_tokens
        if (context := context_of(backend)) is not None:
            most = min(most, context - size)
        forced = wanted.forced
        sampling = wanted.sampling
        if wanted.ignore_end and (vocabulary := self.vocabulary(route.name)) is not None:
            bans = tuple((token, float("-inf")) for token in sorted(vocabulary.end_tokens))
            sampling = replace(sampling, logit_bias=(*sampling.logit_bias, *bans))
        return Request(
            npc=_NOBODY.id,
            prompt=prompt,
            persona=_NOBODY,
            max_tokens=most,
            stop=wanted.stop,
            sampling=sampling,
            priority=AMBIENT if wanted.side else PLAYER,
            grammar=wanted.grammar,
            schema=json.dumps(_call_schema(forced)) if forced else wanted.schema,
            logprobs=wanted.logprobs,
            purpose="summary" if wanted.side else "dialogue",
        )

    def _fitted(self, backend: Backend, wanted: Wanted) -> tuple[Prompt, int]:
        """The prompt, and its size in tokens.

        Raises:
            ApiError: it does not fit, and may not be made to.
        """
        tokenizer, context = self._tokenizer(backend), context_of(backend)
        prompt = self._prompt(wanted)
        size = self._size(prompt, tokenizer)
        if context is None:
            return prompt, size
        may_fit = (wanted.fit or self._stage.settings.api.fit) and wanted.text is None
        reply = min(wanted.max_tokens or self._stage.settings.api.reply_tokens, context // 2)
        if size < context and (not may_fit or size + reply <= context):
            return prompt, size
        shorter = self._shorter(wanted, context - reply, tokenizer) if may_fit else None
        if shorter is None:
            raise _too_long(context, size)
        return shorter, self._size(shorter, tokenizer)

    def _shorter(self, wanted: Wanted, room: int, tokenizer: Tokenizer) -> Prompt | None:
        """The prompt without its oldest turns; None where its standing parts and its last turn are too long alone."""
        messages = self._messages(wanted)
        end = len(messages) - wanted.prefills
        messages, prefill = messages[:end], messages[end:]
        frame = START_TOKENS + count_segments((Open("assistant"), *(Text(each.text) for each in prefill)), tokenizer)
        kept = fit(messages, room - frame, lambda each: _message_size(each, tokenizer))
        return None if kept is None else prompt_of((*kept, *prefill), self._replies, keep_open=wanted.keep_open)

    def _prompt(self, wanted: Wanted) -> Prompt:
        if wanted.text is not None:
            return prompt_of_text(wanted.text, self._replies)
        return prompt_of(self._messages(wanted), self._replies, keep_open=wanted.keep_open)

    def _messages(self, wanted: Wanted) -> tuple[ChatMessage, ...]:
        tools = (tools_message(wanted.tools),) if wanted.tools and wanted.tool_choice != "none" else ()
        return (*tools, *wanted.messages)

    def _size(self, prompt: Prompt, tokenizer: Tokenizer) -> int:
        return count_segments(prompt.segments, tokenizer) + START_TOKENS

    def _tokenizer(self, backend: Backend) -> Tokenizer:
        own: Vocabulary | None = getattr(backend, "vocabulary", None)
        if own is not None:
            return own
        return self._stage.purse.counting.tokenizer_for(backend) if backend.hosted else self._stage.tokenizer()

    def _route(self, name: str) -> Direct:
        route = self._stage.router.direct(name)
        if route is None or not route.backend.generating:
            raise unknown_model(name, [model.id for model in self.models()])
        return route

    def _model(self, route: Direct) -> Model:
        state = route.state()
        named = f"{route.name}: {state.model}" if state.model else route.name
        return Model(route.name, named, context_of(route.backend), state.state == "ready", state.hint)


def context_of(backend: Backend) -> int | None:
    """How many tokens prompt and reply may have together, where that is known."""
    own: int | None = getattr(backend, "context", None)
    learnt: int | None = getattr(backend, "context_tokens", None)
    return own or learnt


def unknown_model(name: str, known: Sequence[str]) -> ApiError:
    """There is no such model; the message names those there are."""
    hint = f"Ask for one of: {', '.join(known[:16])}; /v1/models tells of all." if known else "No route is configured."
    return ApiError(f"There is no model {name[:80]!r} here.", hint, code="model_not_found", status=404, param="model")


def _too_long(context: int, size: int) -> ApiError:
    message = f"This model's maximum context length is {context} tokens, and the messages have {size}."
    # No quotation marks: LiteLLM looks for the words of the message in a form in which they would be escaped.
    hint = "Send less, or ask for transforms: middle-out, which leaves out the oldest turns."
    return ApiError(message, hint, code="context_length_exceeded", param="messages")


def _check_abilities(backend: Backend, wanted: Wanted) -> None:
    if not backend.hosted:
        return
    asked = (
        ("response_format", bool(wanted.schema or wanted.grammar)),
        ("tools", bool(wanted.tools)),
        ("logprobs", wanted.logprobs is not None),
    )
    for name, is_asked in asked:
        if is_asked:
            message = f"{name} is honoured on local routes only; {backend.name} is a hosted one."
            raise ApiError(message, "Leave it out, or ask a local route.", code="unsupported_parameter", param=name)
    if wanted.text is not None:
        message = f"{backend.name} takes messages, not a prompt as one text."
        raise ApiError(message, "Use /v1/chat/completions.", code="unsupported_parameter", param="prompt")


def _message_size(message: ChatMessage, tokenizer: Tokenizer) -> int:
    return count_segments((Open(role_of(message)), Text(words_of(message)), Close()), tokenizer)


def _numbered(request: Request, number: int) -> Request:
    """The request of one reply of several: each draws with a seed of its own."""
    if request.sampling.seed is None or not number:
        return request
    return replace(request, sampling=replace(request.sampling, seed=request.sampling.seed + number))


def _call_schema(tools: Sequence[Tool]) -> dict[str, object]:
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "name": {"const": tool.name},
                    "arguments": dict(tool.parameters) or {"type": "object"},
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }


def _with_call(finish: Finish, said: str, forced: Sequence[Tool]) -> Finish:
    """What was said where a call was forced is that call; one that was cut off is none."""
    if not forced:
        return finish
    try:
        call = json.loads(said)
        return replace(finish, tool_calls=(ToolCall(str(call["name"]), dict(call["arguments"])),))
    except (ValueError, TypeError, KeyError):
        return replace(finish, tool_calls=())
