"""Beginning and end of listening."""

from __future__ import annotations

import asyncio
import time

import pytest
from pydantic import SecretStr

from server.config import ServerSettings
from server.errors import ConfigError
from server.gateway.app import make_app
from server.gateway.deps import GatewayDeps
from server.gateway.health import HealthReport
from server.gateway.listener import listen
from server.gateway.metrics import Metrics
from tests.gateway.house import FakeSessions, open_house


def _deps(settings: ServerSettings) -> GatewayDeps:
    return GatewayDeps(settings, FakeSessions(), lambda: HealthReport((), 0, 0), Metrics(), "0")


async def test_a_taken_port_is_named_with_a_way_out() -> None:
    async with open_house() as house:
        settings = ServerSettings(port=house.port)
        with pytest.raises(ConfigError) as refused:
            await listen(make_app(_deps(settings)), settings)
    assert str(house.port) in refused.value.message
    assert "server.port" in refused.value.hint


async def test_an_address_of_another_machine_is_named() -> None:
    settings = ServerSettings(host="203.0.113.7", port=0, token=SecretStr("x"))
    with pytest.raises(ConfigError, match=r"203\.0\.113\.7 is not an address of this machine"):
        await listen(make_app(_deps(settings)), settings)


@pytest.mark.parametrize("token", [None, SecretStr("")])
async def test_other_machines_are_let_near_only_with_a_token(token: SecretStr | None) -> None:
    settings = ServerSettings(host="0.0.0.0", port=0, token=token)
    with pytest.raises(ConfigError, match="no token"):
        await listen(make_app(_deps(settings)), settings)


async def test_a_wildcard_address_answers_to_the_address_it_was_reached_at() -> None:
    async with open_house(host="0.0.0.0", token="x") as house:
        assert (await house.http("GET", "/health", {"Host": f"127.0.0.1:{house.port}"}))[0] == 200
        assert (await house.http("GET", "/health", {"Host": f"10.9.8.7:{house.port}"}))[0] == 421


async def test_closing_says_1001_to_everybody_within_a_second_and_frees_the_port() -> None:
    async with open_house() as house, house.guest() as guest, house.stranger() as stranger, house.wire() as (_, silent):
        silent.write(house.upgrade())
        begun = time.monotonic()
        await house.listener.close()
        assert time.monotonic() - begun < 1
        assert await guest.closed() == 1001
        assert await stranger.closed() == 1001
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(house.host, house.port)


async def test_closing_does_not_wait_for_a_session_that_is_stuck() -> None:
    async with open_house() as house, house.guest() as guest:
        session = house.sessions.opened["s0"]
        session.busy = asyncio.Event()
        await guest.send(type="ping")
        await session.began.wait()
        async with asyncio.timeout(3):
            await house.listener.close()
        assert session.detached.is_set()
