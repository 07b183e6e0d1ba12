"""Several servers behind one route, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing

import pytest

from server.backends.base import Finish, Request, TextDelta
from server.backends.hosted import backend
from server.backends.hosted.backend import STALL_S, HostedBackend
from server.backends.hosted.replicas import COOL_S
from server.backends.hosted.session import HttpSession
from server.config import OpenAIRoute
from server.errors import RouteBroken, RouteError, RouteRejected, RouteUnavailable
from tests.support.fault_server import Reply, chunk, closed_port, fault_server
from tests.support.provider import Provider, as_json, chat, provider, stream
from tests.support.routes import request

CHAT = "POST chat/completions"
LISTED = as_json({"data": [{"id": "m"}]})
BROKEN = (500, "text/plain", b"oh")


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def servers() -> AsyncIterator[list[Provider]]:
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(provider()) for _ in range(3)]
        for number, each in enumerate(running):
            each.answers = {CHAT: chat(f"Server {number}."), "GET models": LISTED}
        yield running


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    session = HttpSession()
    yield session
    await session.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def route_to(http: HttpSession, clock: Clock, *urls: str) -> HostedBackend:
    return HostedBackend("hosted", OpenAIRoute(kind="openai", base_url=urls, model="m"), http, clock=clock)


@pytest.fixture
def route(servers: list[Provider], http: HttpSession, clock: Clock) -> HostedBackend:
    return route_to(http, clock, *(each.url for each in servers))


def of(npc: str) -> Request:
    return request(sticky=f"w/{npc}")


async def text_of(route: HostedBackend, asked: Request) -> str:
    async with asyncio.timeout(20), aclosing(route.generate(asked)) as deltas:
        return "".join([delta.text async for delta in deltas if isinstance(delta, TextDelta)])


async def test_npcs_are_spread_and_each_stays_with_its_server(route: HostedBackend):
    first = [await text_of(route, of(npc)) for npc in ("hilda", "mira", "bo")]
    assert sorted(first) == ["Server 0.", "Server 1.", "Server 2."]
    assert [await text_of(route, of(npc)) for npc in ("hilda", "mira", "bo")] == first


async def test_a_server_that_fails_before_the_first_word_is_replaced_within_the_request(
    route: HostedBackend, servers: list[Provider], clock: Clock
):
    assert await text_of(route, of("hilda")) == "Server 0."
    servers[0].answers[CHAT] = BROKEN
    moved = await text_of(route, of("hilda"))
    assert moved != "Server 0."
    asked_before = len(servers[0].asked)
    assert await text_of(route, of("hilda")) == moved
    await text_of(route, of("bo"))
    assert len(servers[0].asked) == asked_before
    servers[0].answers[CHAT] = chat("Server 0.")
    clock.now_s += COOL_S + 1
    assert await text_of(route, of("hilda")) == moved


async def test_a_server_that_nobody_runs_is_passed_over(servers: list[Provider], http: HttpSession, clock: Clock):
    route = route_to(http, clock, f"http://127.0.0.1:{closed_port()}/v1", servers[1].url)
    assert await text_of(route, of("hilda")) == "Server 1."


async def test_after_the_first_word_no_other_server_speaks(route: HostedBackend, servers: list[Provider]):
    begun = {"choices": [{"index": 0, "delta": {"content": "Two"}}]}
    servers[0].answers[CHAT] = stream(begun, {"error": {"code": 502, "message": "no"}})
    with pytest.raises(RouteBroken):
        await text_of(route, of("hilda"))
    assert [len(each.asked) for each in servers] == [1, 0, 0]


async def test_a_refusal_is_not_asked_for_three_times(route: HostedBackend, servers: list[Provider]):
    servers[0].answers[CHAT] = as_json({"error": {"message": "no"}}, 403)
    with pytest.raises(RouteRejected):
        await text_of(route, of("hilda"))
    assert [len(each.asked) for each in servers] == [1, 0, 0]


async def test_where_all_fail_each_is_asked_once(route: HostedBackend, servers: list[Provider]):
    for each in servers:
        each.answers[CHAT] = BROKEN
    with pytest.raises(RouteBroken):
        await text_of(route, of("hilda"))
    assert [len(each.asked) for each in servers] == [1, 1, 1]


async def test_a_busy_server_is_avoided_for_as_long_as_it_asks(
    route: HostedBackend, servers: list[Provider], clock: Clock
):
    servers[0].answers[CHAT] = as_json({"error": {"code": 429, "retry_after": 40}}, 429)
    assert await text_of(route, request()) == "Server 1."
    servers[0].answers[CHAT] = chat("Server 0.")
    clock.now_s += 39
    assert await text_of(route, request()) == "Server 1."
    clock.now_s += 2
    assert await text_of(route, request()) == "Server 0."


async def test_a_server_given_up_without_a_word_is_avoided(servers: list[Provider], http: HttpSession, clock: Clock):
    async with fault_server() as silent:
        silent.reply = Reply((b": wait\n\n",), end="hang")
        route = route_to(http, clock, silent.url, servers[1].url)
        asked = asyncio.create_task(text_of(route, of("hilda")))
        async with asyncio.timeout(10):
            await silent.asked.wait()
        clock.now_s += STALL_S
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await text_of(route, of("hilda")) == "Server 1."


async def test_a_server_without_a_word_is_left_for_another_one(
    servers: list[Provider], http: HttpSession, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backend, "STALL_S", 0.05)
    async with fault_server() as silent:
        silent.reply = Reply((b": wait\n\n",), end="hang")
        route = route_to(http, clock, silent.url, servers[1].url)
        assert await text_of(route, of("hilda")) == "Server 1."
        async with asyncio.timeout(10):
            await silent.idle.wait()
        assert [each.outstanding for each in route._replicas.all] == [0, 0]
        assert await text_of(route, request()) == "Server 1."
        assert len(silent.requests) == 1


async def test_a_server_without_a_word_is_waited_for_where_no_other_is_well(
    servers: list[Provider], http: HttpSession, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backend, "STALL_S", 0.05)
    servers[1].answers[CHAT] = BROKEN
    async with fault_server() as silent:
        silent.reply = Reply(silent=True)
        route = route_to(http, clock, servers[1].url, silent.url)
        asked = asyncio.create_task(text_of(route, of("hilda")))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        assert not done
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert [each.outstanding for each in route._replicas.all] == [0, 0]
        async with asyncio.timeout(10):
            await silent.idle.wait()


async def test_requests_that_are_over_are_no_longer_counted(
    route: HostedBackend, servers: list[Provider], http: HttpSession, clock: Clock
):
    await text_of(route, of("hilda"))
    servers[1].answers[CHAT] = BROKEN
    await text_of(route, of("mira"))
    async with fault_server() as slow:
        slow.reply = Reply((chunk("Two"),), end="hang")
        other = route_to(http, clock, slow.url)
        deltas = other.generate(request())
        assert await anext(deltas) == TextDelta("Two")
        assert other._replicas.all[0].outstanding == 1
        await deltas.aclose()
        assert other._replicas.all[0].outstanding == 0
    assert [each.outstanding for each in route._replicas.all] == [0, 0, 0]


async def test_a_probe_asks_all_and_is_content_with_one(route: HostedBackend, servers: list[Provider]):
    servers[0].answers["GET models"] = servers[1].answers["GET models"] = BROKEN
    await route.probe()
    servers[2].answers["GET models"] = BROKEN
    with pytest.raises(RouteError):
        await route.probe()


async def test_a_probe_that_finds_a_server_well_brings_it_back(
    route: HostedBackend, servers: list[Provider], clock: Clock
):
    servers[0].answers[CHAT] = BROKEN
    await text_of(route, request())
    servers[0].answers[CHAT] = chat("Server 0.")
    await route.probe()
    assert await text_of(route, request()) == "Server 0."


async def test_a_route_with_a_wrong_address_among_several_is_off(http: HttpSession, clock: Clock):
    route = route_to(http, clock, "http://127.0.0.1:1/v1", "nowhere")
    assert route.state().state == "off"
    with pytest.raises(RouteUnavailable):
        await text_of(route, request())
    await route.start()
    with pytest.raises(RouteUnavailable):
        await route.probe()


async def test_a_finish_is_the_last_delta(route: HostedBackend):
    async with aclosing(route.generate(request())) as deltas:
        got = [delta async for delta in deltas]
    assert isinstance(got[-1], Finish)
    assert sum(isinstance(delta, Finish) for delta in got) == 1
