"""Where the doors meet the network: the listening socket, and an orderly end."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import cast

from aiohttp import web

from server.config import ServerSettings
from server.errors import ConfigError
from server.gateway.deps import DEPS
from server.gateway.failures import Farewell
from server.gateway.guard import GUARD, is_loopback
from server.gateway.tcp import Gate, LimitedConnection
from server.gateway.websocket import CONNECTIONS
from server.protocol.codes import Close

SHUTDOWN_S = 0.2
"""How long plain HTTP requests may go on once the websockets are closed."""
BACKLOG = 128


class Listener:
    """A server that listens. `address` is (host, port) as bound: the real port where 0 was asked for."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server) -> None:
        self._runner = runner
        self._server = server
        self._is_closed = False
        self.address: tuple[str, int] = server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Accept nobody new, say goodbye to everybody (close code 1001), and free the port. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._server.close()
        # Before the runner's own clean-up, which stops reading: a client's answer to the close frame would be lost.
        await self._runner.app[CONNECTIONS].end_all(Farewell(Close.GOING_AWAY, "the server stops"))
        await self._runner.cleanup()


async def listen(app: web.Application, settings: ServerSettings) -> Listener:
    """Serve `app` on `settings.host` and `settings.port`, every accepted connection counted and timed.

    Raises:
        ConfigError: the address cannot be used, or is reachable from other machines and wants a token first.
    """
    if not is_loopback(settings.host) and not app[GUARD].wants_token:
        hint = "Set server.token, or bind server.host to 127.0.0.1."
        raise ConfigError(f"Other machines could reach {settings.host}, and no token is set.", hint)
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    gate = Gate(settings.limits, app[DEPS].metrics)
    http = cast(web.Server, runner.server)  # set by setup()
    try:
        server = await loop.create_server(
            lambda: LimitedConnection(gate, http, loop=loop), settings.host, settings.port, backlog=BACKLOG
        )
    except (OSError, UnicodeError) as exc:  # UnicodeError: a host name that IDNA cannot encode
        await runner.cleanup()
        raise _cannot_bind(settings, exc) from exc
    return Listener(runner, server)


def _cannot_bind(settings: ServerSettings, exc: OSError | UnicodeError) -> ConfigError:
    where = f"{settings.host}:{settings.port}"
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE:
        hint = "Is another Barkeep running? Stop it, or set server.port (BARKEEP__SERVER__PORT) to a free port."
        return ConfigError(f"Port {settings.port} on {settings.host} is taken.", hint)
    if number == errno.EACCES:
        return ConfigError(f"This user may not listen on {where}.", "Set server.port to 1024 or more.")
    if number == errno.EADDRNOTAVAIL or isinstance(exc, socket.gaierror | UnicodeError):
        return ConfigError(f"{settings.host} is not an address of this machine.", "Set server.host to 127.0.0.1.")
    return ConfigError(f"Cannot listen on {where}: {exc}.", "Check server.host and server.port.")
