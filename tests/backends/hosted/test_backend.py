import asyncio
import gzip
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from server.backends.base import Finish, Sampling, TextDelta, Usage
from server.backends.hosted.backend import HostedBackend
from server.backends.hosted.session import HttpSession
from server.config import OpenAIRoute
from server.errors import RouteBroken, RouteBusy, RouteError, RouteRejected, RouteUnavailable
from tests.support.fault_server import DONE, HEALTHY, FaultServer, Reply, chunk, closed_port, fault_server
from tests.support.routes import request

KEY = "sk-canary-0123456789"
JSON = "application/json"


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    session = HttpSession()
    yield session
    await session.close()


def route(url: str, **fields: object) -> OpenAIRoute:
    return OpenAIRoute.model_validate({"kind": "openai", "base_url": url, "model": "asked", "api_key": KEY, **fields})


@pytest.fixture
def backend(server: FaultServer, http: HttpSession) -> HostedBackend:
    return HostedBackend("hosted", route(server.url), http)


async def reply_of(backend: HostedBackend, **fields: object) -> tuple[str, Finish]:
    async with asyncio.timeout(20), aclosing(backend.generate(request(**fields))) as deltas:
        got = [delta async for delta in deltas]
    finish = got.pop()
    assert isinstance(finish, Finish)
    assert all(isinstance(delta, TextDelta) for delta in got)
    return "".join(delta.text for delta in got if isinstance(delta, TextDelta)), finish


async def failure_of(backend: HostedBackend) -> RouteError:
    with pytest.raises(RouteError) as caught:
        await reply_of(backend)
    return caught.value


async def test_a_healthy_server_answers(backend: HostedBackend):
    assert await reply_of(backend) == ("Two rooms.", Finish("stop", Usage(10, 0, 10, 2, 0.001), "served"))


async def test_the_request_says_what_the_route_and_the_turn_want(server: FaultServer, backend: HostedBackend):
    sampling = Sampling(temperature=0.5, min_p=0.05, top_p=0.9, seed=7)
    await reply_of(backend, max_tokens=48, stop=("a", "b", "c", "d", "e"), sampling=sampling)
    assert server.requests == [
        {
            "model": "asked",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Any rooms left?"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 48,
            "temperature": 0.5,
            "top_p": 0.9,
            "min_p": 0.05,
            "seed": 7,
            "stop": ["a", "b", "c", "d"],
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_without_a_key_none_is_sent(server: FaultServer, http: HttpSession):
    await reply_of(HostedBackend("hosted", route(server.url + "/", api_key=None), http))
    assert "Authorization" not in server.headers[0]


async def test_a_key_is_sent_in_the_place_of_a_password_in_the_address(server: FaultServer, http: HttpSession):
    address = server.url.replace("http://", "http://me:canary@")
    assert (await reply_of(HostedBackend("hosted", route(address), http)))[0] == "Two rooms."
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "pieces",
    [
        tuple(piece.replace(b"\n", b"\r\n") for piece in HEALTHY),
        tuple(piece.replace(b"\n", b"\r") for piece in HEALTHY),
        tuple(piece.replace(b"data: ", b"data:") for piece in HEALTHY),
        (b": processing\n\n", *HEALTHY),
        tuple(bytes([byte]) for byte in b"".join(HEALTHY)),
        (*HEALTHY, chunk(" More.")),
        HEALTHY[:-1],
        HEALTHY[:-2],
        (b"".join(HEALTHY).rstrip(),),
    ],
)
async def test_streams_that_differ_in_form_say_the_same(
    server: FaultServer, backend: HostedBackend, pieces: tuple[bytes, ...]
):
    server.reply = Reply(pieces)
    assert (await reply_of(backend))[0] == "Two rooms."


async def test_a_character_may_be_cut_in_two(server: FaultServer, backend: HostedBackend):
    whole = chunk("Käse 🧀", finish="stop") + DONE
    for cut in (whole.index(b"\xc3") + 1, whole.index(b"\xf0") + 2):
        server.reply = Reply((whole[:cut], whole[cut:]))
        assert (await reply_of(backend))[0] == "Käse 🧀"


async def test_a_compressed_stream_is_read(server: FaultServer, backend: HostedBackend):
    server.reply = Reply((gzip.compress(b"".join(HEALTHY)),), headers={"Content-Encoding": "gzip"})
    assert (await reply_of(backend))[0] == "Two rooms."


@pytest.mark.parametrize(
    ("reply", "kind", "hint"),
    [
        (Reply((b'{"error":{"message":"no"}}',), 400, JSON), RouteRejected, "model"),
        (Reply((), 401), RouteRejected, "key"),
        (Reply((), 402), RouteRejected, "credit"),
        (Reply((), 403), RouteRejected, "key"),
        (Reply((b"<html>gone</html>",), 404, "text/html"), RouteRejected, "model"),
        (Reply((), 307, headers={"Location": "/v1/elsewhere"}), RouteRejected, "base_url"),
        (Reply((), 408), RouteBroken, ""),
        (Reply((), 429), RouteBusy, "later"),
        (Reply((b"oh",), 500, "text/plain"), RouteBroken, ""),
        (Reply((), 503), RouteBroken, ""),
        (Reply((b"<html>welcome</html>",), 200, "text/html; charset=utf-8"), RouteBroken, "base_url"),
        (Reply((b'{"error":{"code":402,"message":"no"}}',), 200, JSON), RouteRejected, "credit"),
        (Reply((b'{"status":"error","message":"no"}',), 200, JSON), RouteBroken, ""),
        (Reply((), 200), RouteBroken, ""),
        (Reply((chunk("Two"),)), RouteBroken, ""),
        (Reply((chunk("Two"),), end="drop"), RouteBroken, ""),
        (Reply((), end="drop"), RouteBroken, ""),
        (Reply((chunk("Two"), b'data: {"error":{"code":502,"message":"no"}}\n\n')), RouteBroken, ""),
        (Reply((chunk("Two"), b"data: rubbish\n\n")), RouteBroken, ""),
        (Reply((b"not gzip at all",), headers={"Content-Encoding": "gzip"}), RouteBroken, ""),
    ],
)
async def test_failures_are_typed_and_say_what_to_do(
    server: FaultServer, backend: HostedBackend, reply: Reply, kind: type[RouteError], hint: str
):
    server.reply = reply
    failure = await failure_of(backend)
    assert type(failure) is kind
    assert hint in failure.hint
    assert failure.message


async def test_retry_after_is_read_in_both_forms(server: FaultServer, backend: HostedBackend):
    server.reply = Reply((), 429, headers={"Retry-After": "7"})
    busy = await failure_of(backend)
    assert isinstance(busy, RouteBusy)
    assert busy.retry_after_s == 7
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.reply = Reply((), 429, headers={"Retry-After": later})
    busy = await failure_of(backend)
    assert isinstance(busy, RouteBusy)
    assert busy.retry_after_s is not None
    assert 60 < busy.retry_after_s <= 90


async def test_a_huge_error_page_is_not_read_to_its_end(server: FaultServer, backend: HostedBackend):
    server.reply = Reply((b"x" * 1_000_000,) * 50, 500, "text/plain")
    assert type(await failure_of(backend)) is RouteBroken
    async with asyncio.timeout(10):
        await server.left.wait()


async def test_nobody_listens(http: HttpSession):
    failure = await failure_of(HostedBackend("hosted", route(f"http://127.0.0.1:{closed_port()}/v1"), http))
    assert type(failure) is RouteUnavailable
    assert "127.0.0.1" in failure.message


async def test_a_name_that_does_not_resolve(http: HttpSession, monkeypatch: pytest.MonkeyPatch):
    async def nowhere(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nowhere)
    failure = await failure_of(HostedBackend("hosted", route("http://models.invalid/v1"), http))
    assert type(failure) is RouteUnavailable
    assert "models.invalid cannot be resolved" in failure.message


async def test_a_server_without_tls(server: FaultServer, http: HttpSession):
    failure = await failure_of(HostedBackend("hosted", route(server.url.replace("http:", "https:")), http))
    assert type(failure) is RouteUnavailable


async def test_closing_the_generator_drops_the_connection(server: FaultServer, backend: HostedBackend):
    server.reply = Reply((chunk("Two"),), end="hang")
    deltas = backend.generate(request())
    assert await anext(deltas) == TextDelta("Two")
    await deltas.aclose()
    async with asyncio.timeout(10):
        await server.left.wait()


@pytest.mark.parametrize("pieces", [(), (b": wait\n\n",)])
async def test_cancelling_a_silent_request_drops_the_connection(
    server: FaultServer, backend: HostedBackend, pieces: tuple[bytes, ...]
):
    server.reply = Reply(pieces, end="hang")
    task = asyncio.create_task(reply_of(backend))
    async with asyncio.timeout(10):
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left.wait()


async def test_a_connection_is_used_again_and_a_dropped_one_is_not(server: FaultServer, backend: HostedBackend):
    await reply_of(backend)
    await reply_of(backend)
    server.reply = Reply((chunk("Two"),), end="hang")
    deltas = backend.generate(request())
    await anext(deltas)
    await deltas.aclose()
    server.reply = Reply()
    await reply_of(backend)
    first, second, third, fourth = server.peers
    assert first == second == third != fourth


async def test_a_server_that_never_closes_its_stream_still_ends_with_done(server: FaultServer, backend: HostedBackend):
    server.reply = Reply(end="hang")
    assert (await reply_of(backend))[0] == "Two rooms."
    async with asyncio.timeout(10):
        await server.left.wait()


async def test_the_key_stands_in_no_error_log_or_repr(
    server: FaultServer, backend: HostedBackend, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    quoted = json.dumps({"error": {"message": f"Incorrect API key: {KEY}"}}).encode()
    server.reply = Reply((quoted,), 401, JSON)
    failure = await failure_of(backend)
    server.reply = Reply((b"data: " + quoted + b"\n\n",))
    in_stream = await failure_of(backend)
    told = capfd.readouterr()
    everything = [repr(failure), str(failure), failure.message, failure.hint, str(in_stream), repr(backend)]
    assert KEY not in "".join([*everything, repr(backend.state()), caplog.text, told.out, told.err])
    assert "Incorrect API key: [key]" in failure.message


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"base_url": ""}, "routes.hosted.base_url"),
        ({"base_url": "no address"}, "routes.hosted.base_url"),
        ({"base_url": "ftp://models.invalid"}, "routes.hosted.base_url"),
        ({"base_url": "http://[::1/v1"}, "routes.hosted.base_url"),
        ({"model": ""}, "routes.hosted.model"),
        ({"api_key": None}, "set HOSTED_API_KEY"),
        ({"api_key": SecretStr("  ")}, "routes.hosted.api_key"),
        ({"api_key": "sk\nno"}, "copy it again"),
    ],
)
async def test_a_route_without_what_it_needs_is_off_and_says_what(
    http: HttpSession, fields: dict[str, object], hint: str
):
    backend = HostedBackend("hosted", route(**{"url": "https://models.invalid/v1", **_renamed(fields)}), http)
    assert backend.state().state == "off"
    assert hint in backend.state().hint
    assert type(await failure_of(backend)) is RouteUnavailable


def _renamed(fields: dict[str, object]) -> dict[str, object]:
    return {"url" if name == "base_url" else name: value for name, value in fields.items()}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://localhost:1/v1", "http://[::1]:1/v1"])
def test_a_server_on_this_machine_needs_no_key(url: str):
    backend = HostedBackend("hosted", route(url, api_key=""), HttpSession())
    assert backend.state().state == "ready"
    assert backend.state().model == "asked"


def test_a_route_that_names_no_key_needs_none():
    settings = OpenAIRoute(kind="openai", base_url="http://192.0.2.7/v1", model="m")
    assert HostedBackend("lan", settings, HttpSession()).state().state == "ready"


async def test_warming_does_nothing(server: FaultServer, backend: HostedBackend):
    assert [step async for step in backend.warm(request())] == []
    assert server.requests == []
