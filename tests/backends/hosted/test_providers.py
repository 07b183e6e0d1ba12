"""Whole requests of each dialect against a provider on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from io import StringIO

import pytest

from server import log
from server.backends.base import Finish, TextDelta, Usage
from server.backends.hosted.backend import IDLE_S, HostedBackend
from server.backends.hosted.session import HttpSession
from server.config import AnthropicRoute, LogSettings, OpenAIRoute
from server.errors import RouteBusy, RouteError, RouteFiltered, RouteRejected
from tests.support.provider import Answer, Asked, Provider, as_json, chat, message, provider, stream
from tests.support.routes import request

KEY = "sk-canary-0123456789"
CHAT = "POST chat/completions"


@pytest.fixture
async def server() -> AsyncIterator[Provider]:
    async with provider() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    session = HttpSession()
    yield session
    await session.close()


@pytest.fixture
def told() -> StringIO:
    """Everything that goes into the log, at its most talkative."""
    out = StringIO()
    log.configure(LogSettings(level="debug", content=True), stream=out)
    return out


def openai(server: Provider, http: HttpSession, **fields: object) -> HostedBackend:
    base = {"kind": "openai", "base_url": server.url, "model": "m", "api_key": KEY}
    return HostedBackend("hosted", OpenAIRoute.model_validate({**base, **fields}), http)


def anthropic(server: Provider, http: HttpSession, **fields: object) -> HostedBackend:
    base = {"kind": "anthropic", "base_url": server.url, "model": "m", "api_key": KEY}
    return HostedBackend("hosted", AnthropicRoute.model_validate({**base, **fields}), http)


async def reply_of(route: HostedBackend) -> tuple[str, Finish]:
    async with asyncio.timeout(20), aclosing(route.generate(request(sticky="w/hilda"))) as deltas:
        *texts, finish = [delta async for delta in deltas]
    assert isinstance(finish, Finish)
    return "".join(delta.text for delta in texts if isinstance(delta, TextDelta)), finish


async def failure_of(route: HostedBackend) -> RouteError:
    with pytest.raises(RouteError) as caught:
        await reply_of(route)
    return caught.value


async def test_messages_are_asked_and_read(server: Provider, http: HttpSession):
    server.answers["POST messages"] = message("Two rooms.")
    route = anthropic(server, http)
    assert route.kind == "anthropic"
    assert await reply_of(route) == ("Two rooms.", Finish("stop", Usage(100, 0, 100, 10), "served"))
    asked = server.asked[0]
    assert asked.headers["x-api-key"] == KEY
    assert asked.headers["anthropic-version"]
    assert "Authorization" not in asked.headers


async def test_tokens_are_counted_by_the_provider_where_it_does(server: Provider, http: HttpSession):
    server.answers["POST messages/count_tokens"] = as_json({"input_tokens": 321})
    assert await anthropic(server, http).count(request()) == 321
    assert await openai(server, http).count(request()) is None
    server.answers["POST messages/count_tokens"] = as_json({"tokens": "many"})
    assert await anthropic(server, http).count(request()) is None
    assert "stream" not in server.asked[0].body


async def test_a_count_that_is_refused_is_not_asked_for_again_and_keeps_the_key(server: Provider, http: HttpSession):
    refusal = {"type": "error", "error": {"type": "authentication_error", "message": f"not {KEY}"}}
    server.answers["POST messages/count_tokens"] = as_json(refusal, 401)
    route = anthropic(server, http)
    with pytest.raises(RouteRejected) as caught:
        await route.count(request())
    assert KEY not in f"{caught.value} {caught.value.message} {caught.value.hint}"
    assert await route.count(request()) is None
    assert len(server.asked) == 1


async def test_the_whole_list_of_anthropic_is_asked_for(server: Provider, http: HttpSession):
    server.answers["GET models"] = as_json({"data": [{"id": "m", "max_input_tokens": 200_000}], "has_more": False})
    route = anthropic(server, http)
    await route.probe()
    assert server.asked[0].query == {"limit": "1000"}
    assert route.context_tokens == 200_000


def _wants_key_in_body(asked: Asked) -> Answer:
    if asked.body.get("key") != KEY:
        return as_json({"status": "error", "messege": "Invalid API key"})
    return chat("Two rooms.")


async def test_modelslab_is_asked_again_with_the_key_in_the_body_and_then_always(server: Provider, http: HttpSession):
    server.answers[CHAT] = _wants_key_in_body
    route = openai(server, http, vendor="modelslab")
    assert (await reply_of(route))[0] == "Two rooms."
    assert (await reply_of(route))[0] == "Two rooms."
    first, second, third = server.asked
    assert first.headers["Authorization"] == f"Bearer {KEY}"
    assert "key" not in first.body
    assert (second.body["key"], second.body["model_id"]) == (KEY, "m")
    assert third.body["key"] == KEY


async def test_other_vendors_never_get_the_key_in_the_body(server: Provider, http: HttpSession):
    server.answers[CHAT] = _wants_key_in_body
    assert isinstance(await failure_of(openai(server, http)), RouteRejected)
    assert len(server.asked) == 1


def _refuses_temperature(asked: Asked) -> Answer:
    if "temperature" in asked.body:
        return as_json({"error": {"message": "'temperature' is not supported with this model", "code": 400}}, 400)
    return chat("Two rooms.")


async def test_a_field_that_is_refused_costs_one_request_once(server: Provider, http: HttpSession):
    server.answers[CHAT] = _refuses_temperature
    route = openai(server, http)
    assert (await reply_of(route))[0] == "Two rooms."
    assert (await reply_of(route))[0] == "Two rooms."
    assert ["temperature" in asked.body for asked in server.asked] == [True, False, False]


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [
        (402, RouteRejected, "https://openrouter.ai/credits"),
        (401, RouteRejected, "https://openrouter.ai/keys"),
        (429, RouteBusy, ":free"),
    ],
)
async def test_the_hints_of_openrouter_say_where_to_go(
    server: Provider, http: HttpSession, status: int, kind: type, hint: str
):
    server.answers[CHAT] = as_json({"error": {"code": status, "message": "no"}}, status)
    failure = await failure_of(openai(server, http, vendor="openrouter"))
    assert type(failure) is kind
    assert hint in failure.hint


async def test_openrouter_is_told_the_session_and_who_asks(server: Provider, http: HttpSession):
    server.answers[CHAT] = chat("Two rooms.", cost=0.002)
    finish = (await reply_of(openai(server, http, vendor="openrouter")))[1]
    assert finish.usage.cost_usd == 0.002
    asked = server.asked[0]
    assert asked.headers["X-Title"] == "Barkeep"
    assert len(asked.body["session_id"]) == 32


async def test_a_filter_in_mid_stream_is_told_apart(server: Provider, http: HttpSession):
    begun = {"choices": [{"index": 0, "delta": {"content": "Two"}}]}
    ended = {"error": {"code": 403, "message": "no", "metadata": {"error_type": "content_policy_violation"}}}
    server.answers[CHAT] = stream(begun, ended)
    assert type(await failure_of(openai(server, http))) is RouteFiltered


async def test_warming_opens_a_connection_where_none_may_be_left(server: Provider, http: HttpSession):
    now_s = 1_000.0
    route = HostedBackend(
        "hosted",
        OpenAIRoute(kind="openai", base_url=server.url, model="m"),
        http,
        clock=lambda: now_s,
    )
    route._target = replace(route._target, near=False)  # as if the provider were far away
    for _ in range(2):
        assert [step async for step in route.warm(request())] == []
        await asyncio.gather(*route._tasks)
    assert [asked.method for asked in server.asked] == ["HEAD"]
    now_s += IDLE_S + 1
    assert [step async for step in route.warm(request())] == []
    await asyncio.gather(*route._tasks)
    assert len(server.asked) == 2


@pytest.mark.parametrize("filling", [1, 70, 80])
@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 429, 500])
async def test_a_key_that_the_server_quotes_is_told_to_nobody(
    server: Provider, http: HttpSession, told: StringIO, status: int, filling: int
):
    quoting = as_json({"error": {"code": status, "message": f"{'no' * filling}: {KEY}", "type": KEY}}, status)
    server.answers.update({CHAT: quoting, "GET models": quoting, "POST messages": quoting})
    seen: list[object] = []
    for route in (openai(server, http, vendor="modelslab"), anthropic(server, http), openai(server, http)):
        failure = await failure_of(route)
        await route.start()
        await asyncio.gather(*route._tasks)
        seen += [repr(failure), failure.message, failure.hint, failure.args, repr(route), route.state()]
        seen += [failure.__cause__, failure.__context__ if not failure.__suppress_context__ else None]
        await route.close()
    # A server that has no list is there all the same.
    assert ("route_not_reached" in told.getvalue()) is (status != 404)
    assert KEY[:9] not in f"{seen}{told.getvalue()}"
