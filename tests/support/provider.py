"""A provider on loopback: answers each path as it is told, and remembers what was asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: Any

    def __contains__(self, text: str) -> bool:
        return text in json.dumps(self.body)


Answer = tuple[int, str, bytes]
"""Status, content type, body."""


def as_json(body: object, status: int = 200) -> Answer:
    return status, "application/json", json.dumps(body).encode()


def stream(*events: object) -> Answer:
    pieces = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return 200, EVENT_STREAM, "".join(f"data: {piece}\n\n" for piece in pieces).encode()


def chat(text: str, **fields: object) -> Answer:
    said = {"model": "served", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    return stream(said, {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10, **fields}}, "[DONE]")


def message(text: str) -> Answer:
    return stream(
        {"type": "message_start", "message": {"model": "served", "usage": {"input_tokens": 100}}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 10}},
        {"type": "message_stop"},
    )


@dataclass
class Provider:
    """`answers` by method and path below the base address; a path that is not there is not found."""

    url: str = ""
    answers: dict[str, Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def asked_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.method == "POST" else None
        path = request.path.removeprefix("/v1/")
        asked = Asked(request.method, path, dict(request.headers), dict(request.query), body)
        self.asked.append(asked)
        answer = self.answers.get(f"{request.method} {path}", (404, "text/plain", b"no such page"))
        status, content_type, content = answer(asked) if callable(answer) else answer
        return web.Response(status=status, body=content, headers={"Content-Type": content_type})


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """Serve on a free port; `url` ends in /v1."""
    running = Provider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", running.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        running.url = f"http://{host}:{port}/v1"
        yield running
    finally:
        await runner.cleanup()
