"""The native door, `/v1/ws`: the upgrade, and the register of everybody who came through it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from server.gateway.answers import problem
from server.gateway.connection import CLOSE_S, Connection
from server.gateway.deps import DEPS
from server.gateway.failures import Farewell
from server.gateway.guard import TOKEN_PROTOCOL, offered_protocols

SUBPROTOCOL = "barkeep.v1"


class Connections:
    """The open websockets of one server."""

    def __init__(self) -> None:
        self._open: dict[Connection, asyncio.Task[Any]] = {}
        self._farewell: Farewell | None = None

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def entered(self, connection: Connection) -> Iterator[None]:
        """Register a connection while the block, which runs in its handler's task, lasts."""
        task = asyncio.current_task()
        assert task is not None  # aiohttp runs each handler in a task
        self._open[connection] = task
        if self._farewell is not None:  # it was upgrading while the others were told
            connection.end(self._farewell)
        try:
            yield
        finally:
            del self._open[connection]

    async def end_all(self, farewell: Farewell) -> None:
        """Say farewell to everybody, and cancel whoever is still busy shortly after `CLOSE_S`."""
        self._farewell = farewell
        tasks = list(self._open.values())
        for connection in self._open:
            connection.end(farewell)
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=CLOSE_S + 0.1)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)


CONNECTIONS = web.AppKey("connections", Connections)


async def open_websocket(request: web.Request) -> web.StreamResponse:
    """Upgrade a request and serve it until it ends.

    Compression is off: on loopback it saves nothing, and it lets a small frame become a large one (RFC 7692 §8).
    Pings are answered by `Connection`, so that they count against the rate like everything else.
    """
    deps = request.app[DEPS]
    limits = deps.settings.limits
    ws = web.WebSocketResponse(
        compress=False,
        max_msg_size=limits.message_bytes + 1,  # aiohttp refuses a message of exactly this size
        heartbeat=limits.heartbeat_s,
        timeout=CLOSE_S,
        autoping=False,
        protocols=_accepted_protocols(request),
    )
    if not ws.can_prepare(request):
        hint = "Connect with a websocket client, version 13."
        return problem(426, "websocket_only", "This address speaks websocket only.", hint, {"Upgrade": "websocket"})
    await ws.prepare(request)
    connection = Connection(ws, request)
    with request.app[CONNECTIONS].entered(connection), deps.metrics.connection():
        await connection.run()
    return ws


def _accepted_protocols(request: web.Request) -> list[str]:
    """Ours, else the client's own token protocol: browsers give up where none of what they offer is chosen."""
    return [SUBPROTOCOL, *(name for name in offered_protocols(request) if name.startswith(TOKEN_PROTOCOL))]
