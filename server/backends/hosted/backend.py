"""A route over HTTP to a server that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from yarl import URL

from server.backends.base import Delta, Progress, Request, RouteState
from server.backends.hosted.failure import MAX_BODY_BYTES, error_for_status, error_in_page
from server.backends.hosted.messages import chat_messages
from server.backends.hosted.session import HttpSession
from server.backends.hosted.sse import SseParser
from server.backends.hosted.stream import ChatStream
from server.config import OpenAIRoute
from server.errors import RouteBroken, RouteError, RouteUnavailable

MAX_STOPS = 4
"""What the API takes; more is refused as a bad request."""
DRAIN_S = 0.05
_STRICT_HOSTS = frozenset({"api.openai.com"})
"""Hosts that refuse a request with a field they do not know."""
_PAGES = frozenset({"application/json", "application/problem+json", "text/html", "application/xhtml+xml"})


class HostedBackend:
    """Asks `base_url`/chat/completions and streams the reply."""

    kind = "openai"
    hosted = True
    paid = True
    generating = True

    def __init__(self, name: str, route: OpenAIRoute, http: HttpSession) -> None:
        """`http` is shared by all routes of the server, and closed by whoever made it."""
        self.name = name
        self._route = route
        self._http = http
        self._key = route.api_key.get_secret_value().strip() if route.api_key else ""
        self._base = _parsed(route.base_url)
        if self._key and self._base.host:
            self._base = self._base.with_user(None)  # one request carries one credential, and the key is the newer word
        self._hint = self._missing()

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing of its own to close: requests end with their generators, connections with the session."""

    def state(self) -> RouteState:
        """`off` where the settings leave out what a request needs, else `ready`."""
        return RouteState(self.name, self.kind, "off" if self._hint else "ready", self._hint, self._route.model)

    async def probe(self) -> None:
        """Not asked yet."""

    def tokens_within(self, ms: float) -> int | None:
        """Not known."""
        return None

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Stream a reply; closing the generator drops the connection, which is how a server is told to stop.

        Raises:
            RouteError: typed by what the server said; the key never stands in it.
        """
        if self._hint:
            raise RouteUnavailable(f"{self.name} is not set up", self._hint)
        try:
            async with self._response(self._payload(request)) as response:
                await _check(response)
                stream = ChatStream(self._route.model)
                async with aclosing(_events(response)) as events:
                    async for data in events:
                        if delta := stream.feed(data):
                            yield delta
                        if stream.done:
                            await _drain(response)
                            break
                yield stream.finish()
        except RouteError as error:
            raise self._without_key(error) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _unreachable(self._base, error) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RouteBroken(f"the connection broke ({type(error).__name__})") from None

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Yield nothing: a hosted model reads a prompt only when paid for a reply."""
        return
        yield  # makes this an async generator

    def __repr__(self) -> str:
        """Name and model; never the address, which may hold a password, nor the key."""
        return f"HostedBackend({self.name!r}, model={self._route.model!r})"

    @asynccontextmanager
    async def _response(self, payload: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        headers["Accept"] = "text/event-stream"
        url = self._base / "chat/completions"
        response = await self._http.get().post(url, json=payload, headers=headers, allow_redirects=False)
        try:
            yield response
        finally:
            # A response read to its end has given its connection back already; any other one is dropped here.
            response.close()

    def _payload(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        payload: dict[str, Any] = {
            "model": self._route.model,
            "messages": chat_messages(request.prompt),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.min_p and self._base.host not in _STRICT_HOSTS:
            payload["min_p"] = sampling.min_p
        if sampling.seed is not None:
            payload["seed"] = sampling.seed
        if request.stop:
            payload["stop"] = list(request.stop[:MAX_STOPS])
        return payload

    def _missing(self) -> str:
        """What the settings leave out, as a hint; empty where nothing is missing."""
        route = f"routes.{self.name}"
        if self._base.scheme not in ("http", "https") or not self._base.host:
            return f"set {route}.base_url to an http or https address, most often one that ends in /v1"
        if not self._route.model:
            return f"set {route}.model to a model that the server has"
        wants_key = "api_key" in self._route.model_fields_set
        if wants_key and not self._key and not _is_loopback(self._base.host):
            variable = f"{self.name.upper().replace('-', '_')}_API_KEY"
            return f"set {variable} in the environment, or {route}.api_key in config.yaml, to your key"
        if not (self._key.isascii() and self._key.isprintable()):
            return f"{route}.api_key holds characters that no key has: copy it again"
        return ""

    def _without_key(self, error: RouteError) -> RouteError:
        """Servers quote the key they refuse."""
        if self._key and self._key in error.message:
            error.message = error.message.replace(self._key, "[key]")
            error.args = (error.message,)
        return error


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise the error that stands in the place of an event stream."""
    if response.status != 200:
        raise error_for_status(response.status, await _body(response), response.headers, datetime.now(UTC))
    if response.content_type in _PAGES:
        raise error_in_page(await _body(response))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of the body, at most `MAX_BODY_BYTES`."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= MAX_BODY_BYTES:
            break
    return bytes(body[:MAX_BODY_BYTES])


async def _events(response: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """The data of each event of the body."""
    parser = SseParser()
    async for chunk in response.content.iter_any():
        for data in parser.feed(chunk):
            yield data
    for data in parser.close():
        yield data


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read past the end of the reply, so that the connection can be used again; give it up if that takes long."""
    try:
        async with asyncio.timeout(DRAIN_S):
            await _body(response)
    except (TimeoutError, aiohttp.ClientError):
        return  # the reply is whole; only the connection is lost


def _parsed(base_url: str) -> URL:
    try:
        return URL(base_url.strip().rstrip("/"))
    except ValueError:
        return URL()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unreachable(base: URL, error: Exception) -> RouteError:
    """Nobody there: the name does not resolve, the port is closed, or TLS fails."""
    where = f"{base.host}:{base.port}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RouteUnavailable(
            f"the name {base.host} cannot be resolved", "check the network, and `base_url` of the route"
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return RouteUnavailable(
            f"{where} has no certificate that can be trusted", "check `base_url`, and this machine's clock"
        )
    return RouteUnavailable(f"nobody answers at {where}", "check the network, and that the server at `base_url` runs")
