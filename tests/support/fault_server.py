"""A server of chat completions and messages on loopback that fails as it is told."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

EVENT_STREAM = "text/event-stream"
CERTIFICATE = Path(__file__).with_name("self_signed.pem")
"""A certificate for 127.0.0.1 that nobody vouches for, and its key; both are good for nothing else."""


def chunk(text: str | None = None, *, finish: str | None = None, **fields: object) -> bytes:
    """One event of a healthy stream, as its bytes."""
    delta = {} if text is None else {"content": text}
    body = {"id": "c1", "model": "served", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"cost":0.001}}\n\n'
DONE = b"data: [DONE]\n\n"
HEALTHY = (chunk(""), chunk("Two "), chunk("rooms."), chunk(finish="stop"), USAGE, DONE)


def event(kind: str, **fields: object) -> bytes:
    """One event of Anthropic's messages, as its bytes."""
    body = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {body}\n\n".encode()


def message_text(words: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": words})


MESSAGE_BEGUN = (
    event("message_start", message={"id": "m1", "model": "served", "usage": {"input_tokens": 10, "output_tokens": 1}}),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("ping"),
)
MESSAGE_ENDS = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
MESSAGE = (*MESSAGE_BEGUN, message_text("Two "), message_text("rooms."), MESSAGE_ENDS, event("message_stop"))


@dataclass(frozen=True)
class Reply:
    """What the server does: a status, pieces of a body, and then ends well, drops the connection or hangs.

    `silent` hangs, or drops the connection, before the first byte, the status included. Before each of the `dripped`
    bytes it waits `drip_s`.
    """

    pieces: tuple[bytes, ...] = HEALTHY
    status: int = 200
    content_type: str = EVENT_STREAM
    headers: Mapping[str, str] = field(default_factory=dict)
    end: str = "well"
    silent: bool = False
    dripped: bytes = b""
    drip_s: float = 0.0


@dataclass
class FaultServer:
    """Gives `reply` to each request, and remembers what was asked of it.

    Replies in `first` are given before it, one a request. The list of models is always at hand.
    """

    url: str
    reply: Reply = field(default_factory=Reply)
    first: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    peers: list[Any] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the first request has been read."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client went away before its reply was over."""
    open: int = 0
    """Requests that are being answered now."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever none is."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(request.headers.copy())
        self.asked.set()
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        reply = self.first.pop(0) if self.first else self.reply
        response = web.StreamResponse(
            status=reply.status, headers={"Content-Type": reply.content_type, **reply.headers}
        )
        self.open += 1
        self.idle.clear()
        try:
            if reply.silent and reply.end == "drop":
                request.transport.abort()
            elif reply.silent:
                await asyncio.Event().wait()
            await response.prepare(request)
            for piece in reply.pieces:
                await response.write(piece)
            for byte in reply.dripped:
                await asyncio.sleep(reply.drip_s)
                await response.write(bytes([byte]))
            if reply.end == "hang":
                await asyncio.Event().wait()
            if reply.end == "drop":
                request.transport.abort()
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        finally:
            self.open -= 1
            if not self.open:
                self.idle.set()
        return response

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "served", "object": "model"}]})


@asynccontextmanager
async def fault_server(*, tls: bool = False) -> AsyncIterator[FaultServer]:
    """Serve on a free port; with `tls`, under a certificate that nobody vouches for."""
    server = FaultServer("")
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    app.router.add_post("/v1/messages", server.handle)
    app.router.add_get("/v1/models", server.models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls() if tls else None)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url = f"{'https' if tls else 'http'}://{host}:{port}/v1"
        yield server
    finally:
        await runner.cleanup()


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
