"""Requests over the shared session, their failures as errors of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from yarl import URL

from server.backends.hosted.failure import MAX_BODY_BYTES, error_for_status, error_in_page, reports_error
from server.backends.hosted.session import HttpSession
from server.backends.hosted.sse import SseParser
from server.errors import RouteBroken, RouteError, RouteUnavailable

DRAIN_S: Final = 0.05
_PAGES: Final = frozenset({"application/json", "application/problem+json", "text/html", "application/xhtml+xml"})


class Transport:
    """Asks the servers of one route. Redirects are not followed: they would carry the key to another address."""

    def __init__(self, http: HttpSession, headers: Mapping[str, str]) -> None:
        """`headers` go with every request."""
        self._http = http
        self._headers = dict(headers)
        self._stream_headers = {**headers, "Accept": "text/event-stream"}

    @asynccontextmanager
    async def events(self, url: URL, body: Mapping[str, Any]) -> AsyncIterator[AsyncGenerator[str, None]]:
        """Post `body`, and give the data of each event of the answer; leaving early drops the connection.

        Raises:
            RouteError: the request failed, before the first event or in their midst.
        """
        with typed_errors(url):
            response = await self._http.get().post(url, json=body, headers=self._stream_headers, allow_redirects=False)
            try:
                await _check_stream(response)
                async with aclosing(_events(response)) as events:
                    yield events
                    await _drain(response)
            finally:
                # A response read to its end has given its connection back already; any other one is dropped here.
                response.close()

    async def get(self, url: URL, query: Mapping[str, str], max_bytes: int) -> bytes:
        """The body at `url`, at most `max_bytes` of it.

        Raises:
            RouteError: there is none to be had, or it reports an error.
        """
        with typed_errors(url):
            async with self._http.get().get(
                url, params=query, headers=self._headers, allow_redirects=False
            ) as response:
                body = await _checked_body(response, max_bytes)
        return body

    async def post(self, url: URL, body: Mapping[str, Any]) -> Any:
        """The JSON that answers `body`; None where it is none.

        Raises:
            RouteError: the request failed.
        """
        with typed_errors(url):
            async with self._http.get().post(url, json=body, headers=self._headers, allow_redirects=False) as response:
                answer = await _checked_body(response, MAX_BODY_BYTES)
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            return None

    async def connect(self, url: URL) -> None:
        """Have a connection open that the next request finds; what the server says to it does not matter.

        Raises:
            RouteError: nobody answers.
        """
        with typed_errors(url):
            async with self._http.get().head(url, allow_redirects=False):
                pass


@contextmanager
def typed_errors(url: URL) -> Iterator[None]:
    """Turn what aiohttp raises into errors of routes; they name host and port, never the whole address."""
    try:
        yield
    except RouteError:
        raise
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise _unreachable(url, error) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RouteBroken(f"the connection broke ({type(error).__name__})") from None


async def _check_stream(response: aiohttp.ClientResponse) -> None:
    """Raise the error that stands in the place of an event stream."""
    if response.status != 200:
        body = await _body(response, MAX_BODY_BYTES)
        raise error_for_status(response.status, body, response.headers, datetime.now(UTC))
    if response.content_type in _PAGES:
        raise error_in_page(await _body(response, MAX_BODY_BYTES))


async def _checked_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The body of an answer that is no stream; the error that it reports is raised."""
    body = await _body(response, max_bytes if response.status == 200 else MAX_BODY_BYTES)
    if response.status != 200:
        raise error_for_status(response.status, body, response.headers, datetime.now(UTC))
    if response.content_type == "text/html" or (len(body) <= MAX_BODY_BYTES and reports_error(body)):
        raise error_in_page(body)
    return body


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """The beginning of the body."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= max_bytes:
            break
    return bytes(body[:max_bytes])


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
            await _body(response, MAX_BODY_BYTES)
    except (TimeoutError, aiohttp.ClientError):
        return  # the reply is whole; only the connection is lost


def _unreachable(url: URL, error: Exception) -> RouteError:
    """Nobody there: the name does not resolve, the port is closed, or TLS fails."""
    where = f"{url.host}:{url.port}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RouteUnavailable(
            f"the name {url.host} cannot be resolved", "check the network, and `base_url` of the route"
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return RouteUnavailable(
            f"{where} has no certificate that can be trusted", "check `base_url`, and this machine's clock"
        )
    return RouteUnavailable(f"nobody answers at {where}", "check the network, and that the server at `base_url` runs")
