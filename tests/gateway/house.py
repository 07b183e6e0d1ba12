"""A whole gateway on a free port, with sessions that answer without any dialogue behind them."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from server.config import LimitSettings, ServerSettings
from server.dialogue.outbox import Outbox
from server.errors import ProtocolError
from server.gateway.app import make_app
from server.gateway.deps import GatewayDeps
from server.gateway.health import HealthReport
from server.gateway.listener import Listener, listen
from server.gateway.metrics import Metrics
from server.protocol.codes import Code, problem
from server.protocol.messages import (
    ClientMessage,
    Error,
    Hello,
    Limits,
    Line,
    Ok,
    Ping,
    Pong,
    RouteInfo,
    Say,
    Welcome,
)

HELLO = {"type": "hello", "protocol": 1, "client": {"name": "test"}}
SECRET_WORDS = "the mayor hides the silver"


class FakeSession:
    """Answers each message at once. Saying `crash` is a bug of the server; `spam` brings a thousand long lines."""

    def __init__(self, session_id: str, hello: Hello) -> None:
        self.id = session_id
        self.outbox = Outbox(max_messages=5_000, max_bytes=50_000_000)
        self.handled: list[ClientMessage] = []
        self.began = asyncio.Event()
        self.detached = asyncio.Event()
        self.busy: asyncio.Event | None = None
        limits = Limits(message_bytes=1, messages_per_second=1, resume_s=1)
        self.welcome = Welcome(
            re=hello.id, session=session_id, server="0", world="w", player="p", npcs=[], routes=[], limits=limits
        )
        self.outbox.put(self.welcome)

    def attach(self) -> int:
        return self.outbox.attach(0)

    def detach(self, connection: int) -> None:
        self.outbox.detach(connection)
        self.detached.set()

    def refuse(self, error: ProtocolError, re: str | None) -> None:
        refusal = Error(re=re, code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
        self.outbox.put(refusal)

    async def handle(self, message: ClientMessage) -> None:
        self.handled.append(message)
        self.began.set()
        if isinstance(message, Say) and message.text == "crash":
            raise RuntimeError(SECRET_WORDS)
        if isinstance(message, Say) and message.text == "spam":
            for number in range(1_000):
                self.outbox.put(Line(turn="t", line=number, npc="n", text="x" * 8_000, duration_ms=1))
        if self.busy is not None:
            await self.busy.wait()
        self.outbox.put(Pong(re=message.id) if isinstance(message, Ping) else Ok(re=message.id))


class FakeSessions:
    """Opens sessions, and finds them again by id."""

    def __init__(self) -> None:
        self.opened: dict[str, FakeSession] = {}
        self.arrivals: asyncio.Queue[FakeSession] = asyncio.Queue()
        self.failure: Exception | None = None

    async def open(self, hello: Hello) -> FakeSession:
        if self.failure is not None:
            raise self.failure
        if hello.protocol != 1:
            raise problem(Code.BAD_PROTOCOL, "no", re=hello.id)
        if hello.resume is not None:
            return self.opened[hello.resume.session]
        session = FakeSession(f"s{len(self.opened)}", hello)
        self.opened[session.id] = session
        self.arrivals.put_nowait(session)
        return session


class Client:
    """A native client on the independent `websockets` library."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self._ids = itertools.count()

    async def send(self, **message: Any) -> None:
        await self.ws.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message: dict[str, Any] = json.loads(await self.ws.recv())
        return message

    async def ask(self, **message: Any) -> dict[str, Any]:
        await self.send(**message)
        return await self.receive()

    async def closed(self) -> int | None:
        """The close code, once the server has closed; whatever was said before is read and forgotten."""
        async with asyncio.timeout(5):
            with suppress(ConnectionClosed):
                while True:
                    await self.ws.recv()
            await self.ws.wait_closed()
        return self.ws.close_code

    async def is_unharmed(self) -> bool:
        """Whether the next message is answered, and nothing else came in between."""
        ping = f"ping-{next(self._ids)}"
        answer = await self.ask(type="ping", id=ping)
        return bool(answer["type"] == "pong" and answer["re"] == ping)


class House:
    """The gateway under test."""

    def __init__(self, listener: Listener, sessions: FakeSessions, metrics: Metrics) -> None:
        self.listener = listener
        self.sessions = sessions
        self.metrics = metrics
        self.host, self.port = listener.address

    @property
    def url(self) -> str:
        return f"{self.host}:{self.port}"

    def refused(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("barkeep_refused_total", {"reason": reason}) or 0.0

    @asynccontextmanager
    async def stranger(self, **options: Any) -> AsyncIterator[Client]:
        """A client that has not said hello."""
        settings: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None, "close_timeout": 1}
        async with connect(f"ws://{self.url}/v1/ws", **(settings | options)) as ws:
            yield Client(ws)

    @asynccontextmanager
    async def guest(self, **options: Any) -> AsyncIterator[Client]:
        """A client that was welcomed."""
        async with self.stranger(**options) as client:
            assert (await client.ask(**HELLO))["type"] == "welcome"
            yield client

    async def http(
        self, method: str, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One plain HTTP request over a raw socket: exactly these headers, status, headers and body back."""
        lines = {"Host": self.url, "Connection": "close"} | (headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        answer = await self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        start, _, body = answer.partition(b"\r\n\r\n")
        status, *fields = start.decode().split("\r\n")
        return int(status.split()[1]), {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}, body

    async def raw(self, data: bytes) -> bytes:
        """Send bytes and read until the server closes."""
        async with self.wire() as (reader, writer):
            writer.write(data)
            try:
                async with asyncio.timeout(5):
                    return await reader.read()
            except ConnectionResetError:
                return b""

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare TCP connection that reads no more than it is asked to."""
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1_024)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def upgrade(self, path: str = "/v1/ws") -> bytes:
        """A websocket request head."""
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET {path} HTTP/1.1\r\nHost: {self.url}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()


def text_frame(message: dict[str, Any]) -> bytes:
    """A masked text frame of under 126 bytes (RFC 6455 §5.2), masked with zeros."""
    payload = json.dumps(message).encode()
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


@asynccontextmanager
async def open_house(
    *, token: str | None = None, limits: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[House]:
    """A gateway on a free port of loopback."""
    secret = SecretStr(token) if token is not None else None
    configured = ServerSettings(port=0, token=secret, limits=LimitSettings(**(limits or {})), **settings)
    sessions, metrics = FakeSessions(), Metrics()
    routes = [RouteInfo(name="authored", state="ready")]

    def health() -> HealthReport:
        return HealthReport(routes=routes, running=0, sessions=len(sessions.opened))

    app = make_app(GatewayDeps(configured, sessions, health, metrics, "1.2.3"))
    listener = await listen(app, configured)
    try:
        yield House(listener, sessions, metrics)
    finally:
        await listener.close()
