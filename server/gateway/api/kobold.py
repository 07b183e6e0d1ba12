"""KoboldCpp's `/api/…`: what frontends written against it ask for (its API documentation, and what they send)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from server.backends.base import Finish, TextDelta, Usage
from server.gateway.api.bodies import BODY, CompletionBody, read_body
from server.gateway.api.chat import completions_of, text_wanted
from server.gateway.api.generations import GENERATIONS, MAX_KEY
from server.gateway.api.serving import event, serve
from server.gateway.api.tokens import TextBody, ids_of
from server.gateway.api.visitors import visitor_of

UNITED_VERSION = "1.2.5"
"""Of KoboldAI's API, which KoboldCpp says that it has."""
KOBOLD_VERSION = "1.79"
"""Of KoboldCpp, whose features these doors have: frontends compare it."""
_STARTED = time.monotonic()


class GenerateBody(CompletionBody):
    """`memory` stands before the prompt."""

    memory: str | None = None


class KeyBody(BaseModel):
    """Names a running reply."""

    model_config = BODY

    genkey: str | None = None


async def generate(request: web.Request) -> web.StreamResponse:
    """The whole reply."""
    return await _generate(request, stream=False)


async def stream(request: web.Request) -> web.StreamResponse:
    """The reply, token by token."""
    return await _generate(request, stream=True)


async def check(request: web.Request) -> web.StreamResponse:
    """What a running reply has said so far."""
    return web.json_response({"results": [{"text": request.app[GENERATIONS].text(await _key(request))}]})


async def abort(request: web.Request) -> web.StreamResponse:
    """End the replies of a key; those without one have the empty key."""
    done = request.app[GENERATIONS].stop(await _key(request))
    return web.json_response({"success": str(done).lower(), "done": "true"})


async def count(request: web.Request) -> web.StreamResponse:
    """The size of a text in tokens, and their ids."""
    ids = await ids_of(request, await read_body(request, TextBody))
    return web.json_response({"value": len(ids), "ids": ids})


async def model(request: web.Request) -> web.StreamResponse:
    """The model's name."""
    return _result(f"koboldcpp/{completions_of(request).default_route().id}")


async def version(request: web.Request) -> web.StreamResponse:
    """The version of KoboldAI's API."""
    return _result(UNITED_VERSION)


async def extra_version(request: web.Request) -> web.StreamResponse:
    """Whose API this is."""
    return web.json_response({"result": "KoboldCpp", "version": KOBOLD_VERSION})


async def context(request: web.Request) -> web.StreamResponse:
    """Tokens that a prompt and its reply may have together."""
    return web.json_response({"value": completions_of(request).default_route().context or 0})


async def length(request: web.Request) -> web.StreamResponse:
    """Tokens of a reply that sets no limit."""
    return web.json_response({"value": completions_of(request).reply_tokens})


async def perf(request: web.Request) -> web.StreamResponse:
    """Whether anything runs."""
    running = completions_of(request).running
    return web.json_response({"idle": int(not running), "queue": running, "uptime": int(time.monotonic() - _STARTED)})


async def _generate(request: web.Request, *, stream: bool) -> web.StreamResponse:
    body = await read_body(request, GenerateBody)
    completions = completions_of(request)
    route = body.model or completions.default_route().id
    if body.memory and isinstance(body.prompt, str):
        body.prompt = body.memory + body.prompt
    deltas = completions.stream(route, text_wanted(body, completions, route), visitor_of(request, body.user))
    followed = request.app[GENERATIONS].follow((body.genkey or "")[:MAX_KEY], deltas)
    return await serve(request, followed, _Generated(), stream=stream)


async def _key(request: web.Request) -> str:
    body = await read_body(request, KeyBody) if request.can_read_body else KeyBody()
    return (body.genkey or "")[:MAX_KEY]


def _result(value: str) -> web.Response:
    return web.json_response({"result": value})


@dataclass(slots=True)
class _Generated:
    _text: str = ""
    _finish: Finish | None = None

    def begin(self) -> Iterator[bytes]:
        """Nothing."""
        return iter(())

    def take(self, number: int, delta: TextDelta | Finish) -> Iterator[bytes]:
        """Text as it comes; the reason at the end."""
        text = ""
        if isinstance(delta, Finish):
            self._finish = delta
        else:
            text = delta.text
            self._text += text
        yield event({"token": text, "finish_reason": self._finish.reason if self._finish else None}, "message")

    def end(self) -> Iterator[bytes]:
        """Nothing more: the reason was the last."""
        return iter(())

    def whole(self) -> dict[str, Any]:
        """The reply."""
        usage = self._finish.usage if self._finish is not None else Usage()
        result = {
            "text": self._text,
            "finish_reason": self._finish.reason if self._finish is not None else "stop",
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.reply,
        }
        return {"results": [result]}

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error event, the stream's last."""
        return event({"error": error}, "message")
