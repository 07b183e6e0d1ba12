"""Anthropic's answers: a message, whole and as events (API reference, "Messages", "Streaming messages")."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from server.backends.base import Finish, TextDelta, ToolCall, Usage
from server.gateway.api.serving import event


@dataclass(slots=True)
class MessageAnswer:
    """One message: a block of text, then one for each call of a tool."""

    model: str
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(12)}")
    _text: str = ""
    _finish: Finish | None = None
    _calls: list[dict[str, Any]] = field(default_factory=list)
    _has_block: bool = False

    def begin(self) -> Iterator[bytes]:
        """The message, still empty."""
        message = {**self._head(), "content": [], "stop_reason": None, "stop_sequence": None, "usage": self._usage()}
        yield _event("message_start", message=message)

    def take(self, number: int, delta: TextDelta | Finish) -> Iterator[bytes]:
        """Text as it comes; calls at the end, each a block."""
        if isinstance(delta, Finish):
            self._finish = delta
            self._calls = [_call(call) for call in delta.tool_calls]
        elif delta.text:
            self._text += delta.text
            if not self._has_block:
                self._has_block = True
                yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": delta.text})

    def end(self) -> Iterator[bytes]:
        """The calls, the reason, and the counts."""
        if self._has_block:
            yield _event("content_block_stop", index=0)
        for at, call in enumerate(self._calls, start=int(self._has_block)):
            given = json.dumps(call["input"], ensure_ascii=False)
            yield _event("content_block_start", index=at, content_block={**call, "input": {}})
            yield _event("content_block_delta", index=at, delta={"type": "input_json_delta", "partial_json": given})
            yield _event("content_block_stop", index=at)
        delta = {"stop_reason": self._reason(), "stop_sequence": None}
        yield _event("message_delta", delta=delta, usage=self._usage())
        yield _event("message_stop")

    def whole(self) -> dict[str, Any]:
        """The message."""
        text = [{"type": "text", "text": self._text}] if self._text or not self._calls else []
        reason = {"stop_reason": self._reason(), "stop_sequence": None}
        return {**self._head(), "content": [*text, *self._calls], **reason, "usage": self._usage()}

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error event, the stream's last."""
        return _event("error", error={"type": "api_error", "message": error["message"]})

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.model}

    def _reason(self) -> str:
        if self._calls:
            return "tool_use"
        return "max_tokens" if self._finish is not None and self._finish.reason == "length" else "end_turn"

    def _usage(self) -> dict[str, int]:
        """Counts; what was in the cache is none of the input here."""
        usage = self._finish.usage if self._finish is not None else Usage()
        return {
            "input_tokens": usage.prompt - usage.cached,
            "cache_read_input_tokens": usage.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": usage.reply,
        }


def _event(name: str, **fields: Any) -> bytes:
    return event({"type": name, **fields}, name)


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{secrets.token_hex(8)}", "name": call.name, "input": dict(call.arguments)}
