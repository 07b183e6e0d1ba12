"""Who is let in, over real sockets."""

from __future__ import annotations

import logging
from contextlib import suppress

import pytest
import structlog
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from server.config import ServerSettings
from server.errors import ConfigError
from server.gateway.guard import Guard, is_loopback, split_host
from tests.gateway.house import HELLO, open_house

TOKEN = "open-sesame"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost@evil", ""]
)
async def test_a_rebound_host_name_is_misdirected(host: str) -> None:
    async with open_house() as house, house.guest() as neighbour:
        status, _, body = await house.http("GET", "/health", {"Host": host.format(port=house.port)})
        assert status == 421
        assert b"allowed_hosts" in body
        assert await neighbour.is_unharmed()
        assert house.refused("host") == 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8642", "tavern.lan", "tavern.lan:99"])
async def test_our_own_names_are_answered_with_any_port(host: str) -> None:
    async with open_house(allowed_hosts=("tavern.lan",)) as house:
        assert (await house.http("GET", "/health", {"Host": host}))[0] == 200


async def test_a_request_without_a_host_or_with_two_is_refused() -> None:
    async with open_house() as house:
        assert b" 421 " in (await house.raw(b"GET /health HTTP/1.0\r\n\r\n")).split(b"\r\n")[0]
        answer = await house.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert answer.split(b" ")[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost:1", "null", "http://127.0.0.1.evil.example"]
)
async def test_a_foreign_page_may_not_open_a_websocket(origin: str) -> None:
    async with open_house() as house, house.guest() as neighbour:
        with pytest.raises(InvalidStatus) as refused:
            async with house.stranger(origin=Origin(origin)):
                pass
        assert refused.value.response.status_code == 403
        assert await neighbour.is_unharmed()
        assert house.refused("origin") == 1


async def test_own_and_allowed_pages_may() -> None:
    async with open_house(allowed_origins=("http://Frontend.example:8000/",)) as house:
        for origin in (f"http://{house.url}", f"http://localhost:{house.port}", "http://frontend.example:8000"):
            async with house.guest(origin=Origin(origin)) as client:
                assert await client.is_unharmed()


async def test_an_allowed_page_may_read_and_preflight_and_a_foreign_one_may_not() -> None:
    async with open_house(allowed_origins=("http://frontend.example",)) as house:
        status, headers, _ = await house.http("OPTIONS", "/health", {"Origin": "http://frontend.example"})
        assert (status, headers["access-control-allow-private-network"]) == (204, "true")
        _, headers, _ = await house.http("GET", "/health", {"Origin": "http://frontend.example"})
        assert headers["access-control-allow-origin"] == "http://frontend.example"
        status, headers, _ = await house.http("OPTIONS", "/health", {"Origin": "http://evil.example"})
        assert status == 403
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_can_send_changes_nothing(content_type: str) -> None:
    async with open_house() as house:
        headers = {"Content-Type": content_type, "Content-Length": "0"}
        assert (await house.http("POST", "/health", headers))[0] == 415
        assert (await house.http("POST", "/health", headers | {"Content-Type": "application/json"}))[0] == 405


async def test_every_answer_carries_the_security_headers() -> None:
    async with open_house() as house:
        for path in ("/health", "/nowhere", "/v1/ws"):
            _, headers, _ = await house.http("GET", path)
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"
            assert headers["server"] == "barkeep"


async def test_a_websocket_shows_its_token_in_hello_header_or_subprotocol() -> None:
    async with open_house(token=TOKEN) as house:
        async with house.stranger() as client:
            assert (await client.ask(**HELLO, token=TOKEN))["type"] == "welcome"
        async with house.guest(additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert await client.is_unharmed()
        only = Subprotocol(f"barkeep.token.{TOKEN}")
        async with house.guest(subprotocols=[only]) as client:
            assert client.ws.subprotocol == only
        async with house.guest(subprotocols=[Subprotocol("barkeep.v1"), only]) as client:
            assert client.ws.subprotocol == "barkeep.v1"


@pytest.mark.parametrize("token", [{}, {"token": "wrong"}, {"token": ""}])
async def test_a_hello_without_the_token_is_closed(token: dict[str, str]) -> None:
    async with open_house(token=TOKEN) as house, house.stranger() as client, house.stranger() as neighbour:
        assert (await client.ask(**HELLO, **token))["code"] == "bad_token"
        assert await client.closed() == 4003
        assert (await neighbour.ask(**HELLO, token=TOKEN))["type"] == "welcome"


async def test_a_wrong_token_in_the_head_is_refused_before_the_upgrade() -> None:
    async with open_house(token=TOKEN) as house:
        for options in (
            {"additional_headers": {"Authorization": "Bearer wrong"}},
            {"additional_headers": {"Authorization": f"Basic {TOKEN}"}},
            {"subprotocols": [Subprotocol("barkeep.token.wrong")]},
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with house.stranger(**options):
                    pass
            assert refused.value.response.status_code == 401


async def test_http_doors_want_the_token_and_never_take_it_from_the_query() -> None:
    right = {"Authorization": f"Bearer {TOKEN}"}
    async with open_house(token=TOKEN) as house:
        for path in ("/metrics", "/schema/", "/nowhere", f"/metrics?token={TOKEN}"):
            assert (await house.http("GET", path))[0] == 401
        assert (await house.http("GET", "/metrics", {"Authorization": "Bearer wrong"}))[0] == 401
        assert (await house.http("GET", "/metrics", right))[0] == 200


async def test_health_without_the_token_says_only_that_the_server_is_up() -> None:
    async with open_house(token=TOKEN) as house:
        assert (await house.http("GET", "/health"))[2] == b'{"status": "ok"}'
        assert b"routes" in (await house.http("GET", "/health", {"Authorization": f"Bearer {TOKEN}"}))[2]


async def test_no_token_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with open_house(token=TOKEN) as house:
            for token in (TOKEN, f"not-{TOKEN}"):
                with suppress(InvalidStatus):
                    async with house.stranger(subprotocols=[Subprotocol(f"barkeep.token.{token}")]) as client:
                        await client.ask(**HELLO, token=token)
                await house.http("GET", f"/health?token={token}", {"Authorization": f"Bearer {token}"})
                await house.http("GET", f"/{token}", {"Host": "evil.example"})
                await house.raw(f"{token}\r\n\r\n".encode())
    ours = [record for record in caplog.records if not record.name.startswith("websockets")]
    assert TOKEN not in str(logs) + str([record.getMessage() for record in ours])
    assert "not_http" in str(logs)


async def test_an_empty_token_opens_nothing_and_closes_nothing() -> None:
    async with open_house(token="") as house:
        assert (await house.http("GET", "/metrics"))[0] == 200


def test_hosts_are_split_strictly() -> None:
    assert split_host("[::1]:8642") == ("::1", 8642)
    assert split_host("Tavern") == ("tavern", None)
    assert split_host("a b") is None
    assert split_host("::1") is None
    assert split_host("host:port") is None


def test_a_configured_host_that_is_none_is_named() -> None:
    Guard(ServerSettings(allowed_hosts=("fe80::1", "tavern.lan:80")))
    with pytest.raises(ConfigError, match="allowed_hosts"):
        Guard(ServerSettings(allowed_hosts=("http://tavern.lan/",)))


def test_loopback_is_known_by_address() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.4", "tavern")] == [False] * 4
