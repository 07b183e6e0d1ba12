"""What a route learns from its provider's list, and what it says about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from server.backends.base import Finish
from server.backends.hosted.backend import HostedBackend
from server.backends.hosted.listing import Price
from server.backends.hosted.session import HttpSession
from server.config import OpenAIRoute
from server.errors import RouteError, RouteRejected, RouteUnavailable
from tests.support.fault_server import closed_port
from tests.support.provider import Provider, as_json, chat, provider
from tests.support.routes import request

LIST = as_json(
    {
        "data": [
            {
                "id": "liquid/lfm-2-24b-a2b",
                "context_length": 32_768,
                "pricing": {"prompt": "1e-7", "completion": "7e-7"},
            },
            {"id": "liquid/lfm2-8b-a1b"},
        ]
    }
)


@pytest.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as running:
        running.answers["GET models"] = LIST
        running.answers["POST chat/completions"] = chat("Two rooms.")
        yield running


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    session = HttpSession()
    yield session
    await session.close()


def backend(server: Provider, http: HttpSession, **fields: object) -> HostedBackend:
    base = {"kind": "openai", "base_url": server.url, "model": "liquid/lfm-2-24b-a2b", "api_key": "sk-1"}
    return HostedBackend("hosted", OpenAIRoute.model_validate({**base, **fields}), http)


async def finish_of(route: HostedBackend) -> Finish:
    async with aclosing(route.generate(request())) as deltas:
        last = [delta async for delta in deltas][-1]
    assert isinstance(last, Finish)
    return last


async def failure_of(route: HostedBackend) -> RouteError:
    with pytest.raises(RouteError) as caught:
        await finish_of(route)
    return caught.value


async def test_prices_and_context_come_from_the_list(server: Provider, http: HttpSession):
    route = backend(server, http)
    assert (route.price, route.context_tokens) == (None, None)
    await route.probe()
    assert route.price == Price(1e-7, 7e-7)
    assert route.context_tokens == 32_768
    assert [asked.method for asked in server.asked] == ["GET"]


async def test_start_reads_the_list_in_the_background_and_close_ends_that(server: Provider, http: HttpSession):
    listed = asyncio.Event()

    def answer(asked: object) -> object:
        listed.set()
        return LIST

    server.answers["GET models"] = answer  # type: ignore[assignment]  # gives LIST, an Answer
    route = backend(server, http)
    await route.start()
    assert route.price is None
    async with asyncio.timeout(10):
        await listed.wait()
    await route.close()
    assert [task for task in asyncio.all_tasks() if task.get_name().endswith("hosted")] == []


async def test_a_reply_without_a_cost_is_priced_by_the_list(server: Provider, http: HttpSession):
    route = backend(server, http)
    assert (await finish_of(route)).usage.cost_usd is None
    await route.probe()
    assert (await finish_of(route)).usage.cost_usd == pytest.approx(100 * 1e-7 + 10 * 7e-7)


async def test_the_cost_that_the_provider_names_wins(server: Provider, http: HttpSession):
    server.answers["POST chat/completions"] = chat("Two rooms.", cost=0.25)
    route = backend(server, http)
    await route.probe()
    assert (await finish_of(route)).usage.cost_usd == 0.25


async def test_a_model_that_is_gone_is_named_with_its_alternatives(server: Provider, http: HttpSession):
    server.answers["POST chat/completions"] = as_json({"error": {"code": 404, "message": "No endpoints found"}}, 404)
    route = backend(server, http, model="liquid/lfm-9-24b")
    before = await failure_of(route)
    assert "provider's list" in before.hint
    await route.probe()
    failure = await failure_of(route)
    assert isinstance(failure, RouteRejected)
    assert "liquid/lfm-9-24b" in failure.message
    assert "liquid/lfm-2-24b-a2b" in failure.hint
    assert "routes.hosted.model" in failure.hint


async def test_a_server_without_a_list_is_there_all_the_same(server: Provider, http: HttpSession):
    del server.answers["GET models"]
    await backend(server, http).probe()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (as_json({"error": {"message": "bad key sk-1"}}, 401), RouteRejected),
        (as_json({"status": "error", "message": "Invalid API key sk-1"}), RouteRejected),
    ],
)
async def test_a_probe_that_is_refused_says_why(server: Provider, http: HttpSession, answer: object, kind: type):
    server.answers["GET models"] = answer  # type: ignore[assignment]  # an Answer, as parametrised above
    with pytest.raises(kind) as caught:
        await backend(server, http).probe()
    assert "sk-1" not in str(caught.value)


async def test_a_probe_of_nobody_says_so(http: HttpSession):
    with pytest.raises(RouteUnavailable):
        await backend(Provider(f"http://127.0.0.1:{closed_port()}/v1"), http).probe()


async def test_a_large_list_is_read_too(server: Provider, http: HttpSession):
    others = [{"id": f"other/model-{number}", "description": "x" * 200} for number in range(3_000)]
    server.answers["GET models"] = as_json({"data": [*others, {"id": "mine", "context_length": 4_096}]})
    route = backend(server, http, model="mine")
    await route.probe()
    assert route.context_tokens == 4_096
