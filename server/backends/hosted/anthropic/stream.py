"""Message events as deltas: what each event of the stream means (Anthropic API reference, "Streaming messages").

`message_start` carries the prompt's usage, `content_block_delta` the text, `message_delta` the reason of the end and
the reply's usage; `message_stop` closes. Thinking, tool input and events of newer versions are passed over.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.backends.base import Finish, TextDelta, Usage
from server.backends.hosted.failure import error_in_body
from server.backends.hosted.wire import MAX_MODEL_NAME, MAX_REPLY_CHARACTERS
from server.errors import RouteBroken, RouteFiltered

_Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Usage(_Wire):
    input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    output_tokens: _Count | None = None


class _Message(_Wire):
    model: str | None = None
    usage: _Usage | None = None


class _Delta(_Wire):
    type: str = ""
    text: str | None = None
    stop_reason: str | None = None


class _Event(_Wire):
    type: str = ""
    message: Any = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None
    status: Any = None


class MessageStream:
    """Reads the events of one response, in order."""

    def __init__(self, model: str) -> None:
        """`model` is what was asked for; the stream may name what answered."""
        self._model = model
        self._usage: dict[str, int] = {}
        self._reason = ""
        self._characters = 0
        self.done = False

    def feed(self, data: str) -> TextDelta | None:
        """The text that one event adds to the reply.

        Raises:
            RouteBroken: the event cannot be read, or the reply has no end.
            RouteFiltered: the model refuses to answer.
            RouteError: the event says that the reply failed.
        """
        event = self._parsed(data)
        if event is None or self.done:
            return None
        if event.type == "error" or event.error or event.status == "error":
            raise error_in_body({"error": event.error or {"message": event.message}})
        match event.type:
            case "message_start":
                self._begin(event.message)
            case "content_block_delta":
                return self._text(event.delta)
            case "message_delta":
                self._end(event)
            case "message_stop":
                self.done = True
        return None

    def finish(self) -> Finish:
        """The end of the reply.

        Raises:
            RouteBroken: the stream stopped before the reply did.
        """
        if not (self.done or self._reason):
            raise RouteBroken("the route closed the connection in the middle of its answer")
        cached = self._usage.get("cache_read_input_tokens", 0)
        evaluated = self._usage.get("input_tokens", 0) + self._usage.get("cache_creation_input_tokens", 0)
        usage = Usage(cached + evaluated, cached, evaluated, self._usage.get("output_tokens", 0))
        return Finish("length" if self._reason == "max_tokens" else "stop", usage, self._model)

    def _parsed(self, data: str) -> _Event | None:
        try:
            return _Event.model_validate_json(data)
        except ValidationError:
            if self.done or self._reason:
                return None  # the reply is whole; only what follows it cannot be read
            raise RouteBroken("the route sent something that is not a message event") from None

    def _begin(self, wire: Any) -> None:
        try:
            message = _Message.model_validate(wire)
        except ValidationError:
            return  # the text counts, not who says how much of it there is
        self._model = (message.model or self._model)[:MAX_MODEL_NAME]
        self._count(message.usage)

    def _text(self, delta: _Delta | None) -> TextDelta | None:
        text = (delta.text if delta and delta.type == "text_delta" else None) or ""
        self._characters += len(text)
        if self._characters > MAX_REPLY_CHARACTERS:
            raise RouteBroken("the route sent an answer without an end")
        return TextDelta(text) if text else None

    def _end(self, event: _Event) -> None:
        self._reason = (event.delta.stop_reason if event.delta else None) or self._reason
        self._count(event.usage)
        if self._reason == "refusal":
            raise RouteFiltered("the model refuses to answer this")

    def _count(self, usage: _Usage | None) -> None:
        """Counts are cumulative: a later event's replace an earlier one's."""
        if usage:
            self._usage |= usage.model_dump(exclude_none=True)
