"""Accepted TCP connections, counted and timed from the moment they arrive.

Left to itself, aiohttp waits for ever for the second half of a request head, and keeps an answer that nobody reads.
`LimitedConnection` adds the missing timers through asyncio's own protocol callbacks and one middleware; it touches no
private attribute of its base class.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from aiohttp import web

from server.config import LimitSettings
from server.gateway.answers import problem
from server.gateway.metrics import Metrics

KEEPALIVE_S = 15
"""How long an HTTP connection may lie idle between two requests; a half head sent then counts as idle."""
BODY_S = 30.0
"""How long a request body may take from its head to its end."""
LINGERING_S = 1.0
"""How long a request body that nobody wants is read before the connection closes."""
SEND_BUFFER_BYTES = 131_072
"""The kernel's send buffer. Left to itself it grows to megabytes, and *taken by the transport* would mean little."""
STALLED_GRACE_S = 2.0
"""Beyond `send_s`: the websocket's own time-out comes first and can name a reason; this one only cuts."""

_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def body_in_time() -> AsyncGenerator[None, None]:
    """Around the reading of a request's body.

    Raises:
        HTTPRequestTimeout: it takes longer than `BODY_S`.
    """
    try:
        async with asyncio.timeout(BODY_S):
            yield
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


class Gate:
    """How many connections are open, and how many of them have not said hello."""

    def __init__(self, limits: LimitSettings, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self._open: set[LimitedConnection] = set()
        self._unknown: set[LimitedConnection] = set()

    def enter(self, connection: LimitedConnection) -> bool:
        """Count a connection in; false, and counted as refused, where there is no room."""
        if len(self._open) >= self.limits.connections or len(self._unknown) >= self.limits.connections_before_hello:
            self.metrics.refused("connections")
            return False
        self._open.add(connection)
        self._unknown.add(connection)
        return True

    def greeted(self, connection: LimitedConnection) -> None:
        """The connection said hello: it no longer counts as unknown."""
        self._unknown.discard(connection)

    def leave(self, connection: LimitedConnection) -> None:
        """The connection is gone."""
        self._open.discard(connection)
        self._unknown.discard(connection)


class LimitedConnection(web.RequestHandler):
    """One accepted TCP connection: counted at the gate, with a deadline for its request head and for every stall."""

    def __init__(self, gate: Gate, server: web.Server, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGERING_S,
            access_log=None,  # type: ignore[arg-type]  # aiohttp reads None as "no access log", its annotation does not
        )
        self._gate = gate
        self._event_loop = loop
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._waiting: set[asyncio.Task[Any]] = set()
        self._is_lost = False

    @contextmanager
    def ending_with_me(self) -> Iterator[None]:
        """Cancel what the current task does in the block as soon as the client is gone.

        Raises:
            ConnectionResetError: it is.
        """
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            if self._is_lost:
                raise ConnectionResetError("the client is gone")
            yield
        except asyncio.CancelledError:
            if not self._is_lost or task.uncancel():
                raise
            raise ConnectionResetError("the client is gone") from None
        finally:
            self._waiting.discard(task)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection in, or say 503 and close."""
        assert isinstance(transport, asyncio.Transport)
        if not self._gate.enter(self):
            transport.write(_TOO_MANY)
            transport.close()
            return
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._head_timer = self._event_loop.call_later(self._gate.limits.handshake_s, self._head_is_late, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count the connection out and drop its timers."""
        self._gate.leave(self)
        self.head_arrived()
        self._end_stall()
        self._is_lost = True
        for task in self._waiting:
            task.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too little: from now on it has `send_s` and a grace to read on."""
        super().pause_writing()
        transport = self.transport
        if transport is not None:
            delay_s = self._gate.limits.send_s + STALLED_GRACE_S
            self._stall_timer = self._event_loop.call_later(delay_s, transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._end_stall()
        super().resume_writing()

    def head_arrived(self) -> None:
        """A whole request head is here: the handshake deadline is met."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def greeted(self) -> None:
        """The client said a valid hello."""
        self._gate.greeted(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what is not HTTP, without a stack trace and without repeating what was sent."""
        _log.info("not_http", status=status, error=type(exc).__name__)
        self._gate.metrics.refused("http")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        response = problem(status, "bad_request", "This is not a request that the server understands.")
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log that a connection failed; texts and stacks may hold what people said."""
        exc = kw.get("exc_info")
        if isinstance(exc, web.RequestPayloadError):
            return  # the request has its answer
        _log.error("connection_failed", error=type(exc).__name__)

    def _head_is_late(self, transport: asyncio.Transport) -> None:
        self._head_timer = None
        self._gate.metrics.refused("handshake")
        transport.abort()

    def _end_stall(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


@web.middleware
async def meet_deadline(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Tell the connection that a whole request head has arrived; comes before every other middleware."""
    if isinstance(request.protocol, LimitedConnection):
        request.protocol.head_arrived()
    return await handler(request)
