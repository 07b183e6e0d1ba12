"""OpenAI's answers: chat completions and completions, whole and in chunks (API reference, "Chat", "Completions")."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from server.backends.base import Drawn, Finish, TextDelta, ToolCall, Usage
from server.gateway.api.logprobs import in_chat, in_text
from server.gateway.api.serving import event

DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Reply:
    """One of the replies, as far as it came."""

    text: str = ""
    drawn: tuple[Drawn, ...] = ()
    finish: Finish | None = None

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The functions it wants called."""
        return self.finish.tool_calls if self.finish else ()


@dataclass(slots=True)
class Answer:
    """What both kinds have in common. `tells_usage`: a stream ends with a frame of counts."""

    model: str
    replies: int = 1
    tells_usage: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))
    _replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._replies = [Reply() for _ in range(self.replies)]

    def note(self, number: int, delta: TextDelta | Finish) -> Reply:
        """Keep what came."""
        reply = self._replies[number]
        if isinstance(delta, TextDelta):
            reply.text += delta.text
            reply.drawn += delta.drawn
        else:
            reply.finish = delta
        return reply

    def usage(self) -> dict[str, Any]:
        """Counts of all replies; their prompt is one and counts once."""
        each = [reply.finish.usage for reply in self._replies if reply.finish is not None]
        first = each[0] if each else Usage()
        reply = sum(usage.reply for usage in each)
        return {
            "prompt_tokens": first.prompt,
            "completion_tokens": reply,
            "total_tokens": first.prompt + reply,
            "prompt_tokens_details": {"cached_tokens": first.cached},
        }

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error frame, the stream's last."""
        return event({"error": error})


class ChatAnswer(Answer):
    """`/v1/chat/completions`."""

    def begin(self) -> Iterator[bytes]:
        """The role, once for each reply."""
        for number in range(self.replies):
            yield self._chunk(number, {"role": "assistant", "content": ""})

    def take(self, number: int, delta: TextDelta | Finish) -> Iterator[bytes]:
        """Text as it comes; calls and the reason at the end."""
        reply = self.note(number, delta)
        if isinstance(delta, TextDelta):
            if delta.text:
                yield self._chunk(number, {"content": delta.text}, drawn=delta.drawn)
            return
        for at, call in enumerate(_calls(reply)):
            yield self._chunk(number, {"tool_calls": [{"index": at, **call}]})
        yield self._chunk(number, {}, finish_reason(reply))

    def end(self) -> Iterator[bytes]:
        """Counts where they are wanted, and the mark of the end."""
        if self.tells_usage:
            yield event({**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage()})
        yield DONE

    def whole(self) -> dict[str, Any]:
        """The completion."""
        choices = [
            {
                "index": at,
                "message": _message(reply),
                "logprobs": in_chat(reply.drawn),
                "finish_reason": finish_reason(reply),
            }
            for at, reply in enumerate(self._replies)
        ]
        return {**self._head("chat.completion"), "choices": choices, "usage": self.usage()}

    def _chunk(
        self, number: int, delta: dict[str, Any], reason: str | None = None, drawn: tuple[Drawn, ...] = ()
    ) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": in_chat(drawn), "finish_reason": reason}
        return event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.id}", "object": kind, "created": self.created, "model": self.model}


class TextAnswer(Answer):
    """`/v1/completions`."""

    def begin(self) -> Iterator[bytes]:
        """Nothing."""
        return iter(())

    def take(self, number: int, delta: TextDelta | Finish) -> Iterator[bytes]:
        """Text as it comes, the reason at the end."""
        reply = self.note(number, delta)
        if isinstance(delta, Finish):
            yield event({**self._head(), "choices": [_choice(number, "", finish_reason(reply))]})
        elif delta.text:
            logprobs = in_text(delta.drawn, len(reply.text) - len(delta.text))
            yield event({**self._head(), "choices": [_choice(number, delta.text, None, logprobs)]})

    def end(self) -> Iterator[bytes]:
        """Counts where they are wanted, and the mark of the end."""
        if self.tells_usage:
            yield event({**self._head(), "choices": [], "usage": self.usage()})
        yield DONE

    def whole(self) -> dict[str, Any]:
        """The completion."""
        choices = [
            _choice(at, reply.text, finish_reason(reply), in_text(reply.drawn, 0))
            for at, reply in enumerate(self._replies)
        ]
        return {**self._head(), "choices": choices, "usage": self.usage()}

    def _head(self) -> dict[str, Any]:
        return {"id": f"cmpl-{self.id}", "object": "text_completion", "created": self.created, "model": self.model}


def finish_reason(reply: Reply) -> str:
    """OpenAI's word for how a reply ended."""
    if reply.calls:
        return "tool_calls"
    return reply.finish.reason if reply.finish else "stop"


def _choice(number: int, text: str, reason: str | None, logprobs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": logprobs, "finish_reason": reason}


def _message(reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.calls:
        message |= {"content": reply.text or None, "tool_calls": _calls(reply)}
    return message


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{secrets.token_hex(8)}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
        }
        for call in reply.calls
    ]
