"""The server's one HTTP session: connections stay open and addresses stay resolved between turns."""

from __future__ import annotations

import aiohttp

CONNECT_S = 10
READ_S = 60
"""The longest silence on an open response: a backstop behind the router's own, much shorter deadlines."""
KEEP_ALIVE_S = 120
DNS_CACHE_S = 300


class HttpSession:
    """Opens the session with its first use, because aiohttp binds it to the running event loop."""

    def __init__(self) -> None:
        """Nothing is opened yet."""
        self._session: aiohttp.ClientSession | None = None

    def get(self) -> aiohttp.ClientSession:
        """The shared session. Cookies are not kept: requests of different routes must not know of each other."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                # As many connections as there are turns: one that had to wait for another's would be late unseen.
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=DNS_CACHE_S, keepalive_timeout=KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S),
            )
        return self._session

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        if self._session is not None:
            await self._session.close()
