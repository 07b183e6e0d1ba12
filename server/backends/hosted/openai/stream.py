"""Chat completion chunks as deltas: what each event of the stream means (OpenAI API reference, "Chat streaming").

Chunks carry choices with a `delta`, and at their end usage without choices; `[DONE]` closes. Real servers leave pieces
out, put errors into a stream that began well, and think aloud in fields of their own; what is not the reply's text is
passed over.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.backends.base import Finish, TextDelta, Usage
from server.backends.hosted.failure import error_in_body
from server.backends.hosted.wire import MAX_MODEL_NAME, MAX_REPLY_CHARACTERS
from server.errors import RouteBroken, RouteFiltered

DONE = "[DONE]"

_FILTERED = frozenset({"content_filter", "refusal"})
_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _PromptDetails(_Wire):
    cached_tokens: _Count | None = None


class _Usage(_Wire):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    cost: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class _Delta(_Wire):
    content: str | None = None


class _Choice(_Wire):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(_Wire):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    status: Any = None
    message: Any = None


class ChatStream:
    """Reads the events of one response, in order."""

    def __init__(self, model: str) -> None:
        """`model` is what was asked for; the stream may name what answered."""
        self._model = model
        self._usage = Usage()
        self._reason = ""
        self._characters = 0
        self.done = False

    def feed(self, data: str) -> TextDelta | None:
        """The text that one event adds to the reply. After `[DONE]` nothing counts.

        Raises:
            RouteBroken: the event is not a chunk, or the reply has no end.
            RouteFiltered: a filter ended the reply.
            RouteError: the event says that the reply failed.
        """
        if self.done:
            return None
        if data.strip() == DONE:
            self.done = True
            return None
        chunk = self._parsed(data)
        if chunk is None:
            return None
        if chunk.error or chunk.status == "error":
            raise error_in_body({"error": chunk.error or {"message": chunk.message}})
        self._model = (chunk.model or self._model)[:MAX_MODEL_NAME]
        self._usage = _usage(chunk.usage) if chunk.usage else self._usage
        return self._choice(next((choice for choice in chunk.choices or () if choice.index == 0), None))

    def finish(self) -> Finish:
        """The end of the reply.

        Raises:
            RouteBroken: the stream stopped before the reply did.
        """
        if not (self.done or self._reason):
            raise RouteBroken("the route closed the connection in the middle of its answer")
        return Finish("length" if self._reason == "length" else "stop", self._usage, self._model)

    def _parsed(self, data: str) -> _Chunk | None:
        try:
            return _Chunk.model_validate_json(data)
        except ValidationError:
            if self._reason:
                return None  # the reply is whole; only what follows it, usage at best, cannot be read
            raise RouteBroken("the route sent something that is not a chat completion chunk") from None

    def _choice(self, choice: _Choice | None) -> TextDelta | None:
        if choice is None:
            return None
        if choice.finish_reason == "error":
            raise RouteBroken("the route failed in the middle of its answer")
        if choice.finish_reason in _FILTERED:
            raise RouteFiltered("the provider's content filter withheld the answer")
        self._reason = choice.finish_reason or self._reason
        text = (choice.delta.content if choice.delta else None) or ""
        self._characters += len(text)
        if self._characters > MAX_REPLY_CHARACTERS:
            raise RouteBroken("the route sent an answer without an end")
        return TextDelta(text) if text else None


def _usage(wire: _Usage) -> Usage:
    prompt = wire.prompt_tokens or 0
    details = wire.prompt_tokens_details
    cached = min((details.cached_tokens or 0) if details else 0, prompt)
    return Usage(prompt, cached, prompt - cached, wire.completion_tokens or 0, wire.cost)
