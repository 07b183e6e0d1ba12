"""From deltas to an answer: whole, or as server-sent events (HTML Living Standard, "Server-sent events")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Protocol

import structlog
from aiohttp import web

from server.backends.base import Delta, Finish, TextDelta
from server.errors import ApiError, BarkeepError
from server.gateway.api.failures import error_body
from server.gateway.deps import DEPS
from server.gateway.failures import where
from server.gateway.tcp import LimitedConnection

Deltas = AsyncGenerator[tuple[int, Delta], None]
KEEP_ALIVE = b": keep-alive\n\n"
SSE_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
_log = structlog.get_logger(__name__)


class Dialect(Protocol):
    """Writes one answer in the words of one API. Frames are whole events."""

    def begin(self) -> Iterable[bytes]:
        """What a stream opens with."""

    def take(self, number: int, delta: TextDelta | Finish) -> Iterable[bytes]:
        """More of reply `number`; what a stream says of it."""

    def end(self) -> Iterable[bytes]:
        """What a stream closes with."""

    def whole(self) -> dict[str, Any]:
        """All that was taken, as one body."""

    def failure(self, error: dict[str, Any]) -> bytes:
        """What a stream says that fails after it began; `error` is OpenAI's error object."""


def event(data: Any, name: str = "") -> bytes:
    """One event with JSON as its data."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


async def serve(request: web.Request, deltas: Deltas, dialect: Dialect, *, stream: bool) -> web.StreamResponse:
    """Answer with what `deltas` bring. A client that goes away cancels them, at any time.

    Raises:
        BarkeepError: it failed before anything was sent.
        ConnectionError: the client is gone.
    """
    completions = request.app[DEPS].completions
    assert completions is not None  # no route leads here without them
    async with AsyncExitStack() as stack:
        if isinstance(request.protocol, LimitedConnection):
            request.protocol.greeted()
            stack.enter_context(request.protocol.ending_with_me())
        await stack.enter_async_context(aclosing(deltas))
        if stream:
            return await _Stream(request, dialect, completions.keep_alive_s).run(deltas, completions.request_s)
        async with _in_time(completions.request_s):
            async for number, delta in deltas:
                if isinstance(delta, TextDelta | Finish):
                    list(dialect.take(number, delta))  # its frames are for streams
        return web.json_response(dialect.whole())


@asynccontextmanager
async def _in_time(request_s: float) -> AsyncGenerator[None, None]:
    try:
        async with asyncio.timeout(request_s):
            yield
    except TimeoutError as error:
        message = f"The reply was not done within {request_s:g} s."
        raise ApiError(message, "Ask for less, or raise api.request_s.", code="timeout", status=504) from error


class _Stream:
    """One stream of events.

    Its head is sent with the first words, so that an error before them has a status of its own, or with the first sign
    of life.
    """

    def __init__(self, request: web.Request, dialect: Dialect, keep_alive_s: float) -> None:
        self._request = request
        self._dialect = dialect
        self._keep_alive_s = keep_alive_s
        self._response = web.StreamResponse(headers=SSE_HEADERS)
        self._loop = asyncio.get_running_loop()
        self._wrote_s = self._loop.time()
        self._has_begun = False

    async def run(self, deltas: Deltas, request_s: float) -> web.StreamResponse:
        """Send everything; a failure after the beginning becomes the last event."""
        try:
            async with _in_time(request_s):
                await self._send_all(deltas)
                await self._write(*self._dialect.end())
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # the connection's border: the head is sent, so its answer is no other status
            if not self._response.prepared:
                raise
            await self._write(self._dialect.failure(error_body(_told(error))))
        await self._response.write_eof()
        return self._response

    async def _send_all(self, deltas: Deltas) -> None:
        pending = asyncio.ensure_future(anext(deltas, None))
        try:
            while True:
                due_s = self._wrote_s + self._keep_alive_s - self._loop.time()
                done, _ = await asyncio.wait((pending,), timeout=max(0.0, due_s))
                if not done:
                    await self._write(KEEP_ALIVE)
                    continue
                entry = pending.result()
                if entry is None:
                    return
                number, delta = entry
                if isinstance(delta, TextDelta | Finish):
                    await self._write(*self._dialect.take(number, delta))
                pending = asyncio.ensure_future(anext(deltas, None))
        finally:
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)

    async def _write(self, *frames: bytes) -> None:
        if not frames:
            return
        self._wrote_s = self._loop.time()
        if not self._response.prepared:
            await self._response.prepare(self._request)
        if frames != (KEEP_ALIVE,) and not self._has_begun:
            self._has_begun = True
            frames = (*self._dialect.begin(), *frames)
        await self._response.write(b"".join(frames))


def _told(error: Exception) -> BarkeepError:
    if isinstance(error, BarkeepError):
        return error
    _log.error("stream_failed", error=where(error))
    return BarkeepError("The server made a mistake.", "Report it with the server's log.")
