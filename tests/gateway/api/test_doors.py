"""Who comes in: keys, origins, preflights, and bodies of odd kinds, at the doors of the HTTP API."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from server.gateway.api.doors import doors
from tests.support.api import Served, served
from tests.support.routes import Route

PAGE = "https://chub.example"
BODY = b'{"messages": [{"role": "user", "content": "Hm?"}]}'
GETS = ["/openapi.json", *(door.path.replace("{model}", "local") for door in doors() if door.method == "GET")]
POSTS = [door.path for door in doors() if door.method == "POST"]


def route() -> Route:
    return Route("local", "Well.")


@pytest.mark.parametrize("shown", [None, "Bearer ", "Bearer undefined", "Bearer sk-anything", "Basic x"])
async def test_without_a_key_of_the_server_any_or_none_will_do(tmp_path: Path, shown: str | None) -> None:
    headers = {"Authorization": shown} if shown is not None else {}
    async with served(tmp_path, route()) as api:
        assert (await api.get("/v1/models", **headers)).status == 200
        assert (await api.chat("Hm?", headers=headers)).status == 200


@pytest.mark.parametrize("path", GETS)
async def test_with_a_key_every_door_wants_it(tmp_path: Path, path: str) -> None:
    async with served(tmp_path, route(), token="s3cret") as api:
        for headers in ({}, {"Authorization": "Bearer undefined"}, {"Authorization": "Bearer "}):
            refused = await api.ask("GET", path, headers=headers)
            assert (refused.status, refused.error["type"]) == (401, "authentication_error")
            assert refused.headers["WWW-Authenticate"] == "Bearer"
        for headers in ({"Authorization": "Bearer s3cret"}, {"X-API-Key": "s3cret"}):
            assert (await api.ask("GET", path, headers=headers)).status == 200


@pytest.mark.parametrize("path", POSTS)
async def test_with_a_key_nobody_posts_without_it(tmp_path: Path, path: str) -> None:
    async with served(tmp_path, route(), token="s3cret") as api:
        assert (await api.post(path, {})).status == 401
        assert (await api.post(path, {}, Authorization="Bearer s3cret")).status != 401


@pytest.mark.parametrize("path", POSTS)
async def test_a_form_of_a_web_page_gets_nowhere(tmp_path: Path, path: str) -> None:
    async with served(tmp_path, route()) as api:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = await api.ask("POST", path, data=b"{}", headers={"Content-Type": kind})
            assert answer.status == 415


async def test_a_page_that_is_not_listed_gets_nowhere(tmp_path: Path) -> None:
    async with served(tmp_path, route(), origins=[PAGE]) as api:
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/chat/completions"), ("OPTIONS", "/v1/models")):
            answer = await api.ask(method, path, headers={"Origin": "https://evil.example"})
            assert answer.status == 403
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_preflight_needs_no_key_and_allows_what_sdks_send(tmp_path: Path) -> None:
    asked = "authorization,content-type,x-stainless-os,x-barkeep-chat"
    async with served(tmp_path, route(), token="s3cret", origins=[PAGE]) as api:
        answer = await api.ask(
            "OPTIONS",
            "/v1/chat/completions",
            headers={
                "Origin": PAGE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": asked,
                "Access-Control-Request-Private-Network": "true",
            },
        )
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = {name.strip() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed == set(asked.split(","))
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"


async def test_a_listed_page_may_read_answers_errors_and_streams(tmp_path: Path) -> None:
    headers = {"Origin": PAGE}
    async with served(tmp_path, route(), origins=[PAGE]) as api:
        answers = [
            await api.ask("GET", "/v1/models", headers=headers),
            await api.chat("Hm?", headers=headers),
            await api.chat("Hm?", stream=True, headers=headers),
            await api.chat("Hm?", model="none", headers=headers),
            await api.ask("GET", "/v1/nowhere", headers=headers),
        ]
    assert [answer.status for answer in answers] == [200, 200, 200, 404, 404]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {PAGE}


async def test_a_listed_page_reads_the_refusal_of_its_key(tmp_path: Path) -> None:
    async with served(tmp_path, route(), token="s3cret", origins=[PAGE]) as api:
        answer = await api.ask("GET", "/v1/models", headers={"Origin": PAGE})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, PAGE)


async def test_a_history_of_megabytes_is_taken(tmp_path: Path) -> None:
    async with served(tmp_path, route()) as api:
        answer = await api.chat(*["word " * 1_000] * 600)
        assert answer.status == 200
        huge = await api.ask("POST", "/v1/chat/completions", data=b" " * (9 << 20))
    assert (huge.status, huge.error["type"]) == (413, "invalid_request_error")
    assert "8 MiB" in huge.error["hint"]


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"no gzip", 400), (gzip.compress(b" " * (9 << 20)), 413), (gzip.compress(BODY), 200)],
    ids=["broken", "long", "sound"],
)
async def test_a_compressed_body_is_read_within_the_same_limit(tmp_path: Path, data: bytes, status: int) -> None:
    async with served(tmp_path, route()) as api:
        packed = {"Content-Encoding": "gzip"}
        answer = await api.ask("POST", "/v1/chat/completions", data=data, headers=packed)
        assert answer.status == status
        assert (await api.chat("Hm?")).status == 200


async def raw(api: Served, body: bytes, header: bytes = b"", length: int | None = None) -> bytes:
    """What comes back, to the end of the connection, for a request written by hand."""
    host, _, port = api.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {length or len(body)}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\n" + header + b"\r\n" + body)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_body_that_does_not_come_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.gateway.tcp.BODY_S", 0.1)
    monkeypatch.setattr("server.gateway.tcp.LINGERING_S", 0.1)
    async with served(tmp_path, route()) as api:
        answer = await raw(api, BODY, length=len(BODY) + 1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"slow_body" in answer


async def test_a_header_in_another_encoding_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, route()) as api:
        answer = await raw(api, BODY, header=b"X-Barkeep-World: w\xe4lt\r\nConnection: close\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"UTF-8" in answer


async def test_a_body_may_say_its_charset(tmp_path: Path) -> None:
    body = '{"messages": [{"role": "user", "content": "Grüß Gott"}]}'
    async with served(tmp_path, route()) as api:
        for charset in ("utf-8", "latin-1", "none-such"):
            data = body.encode("latin-1" if charset == "latin-1" else "utf-8")
            kind = {"Content-Type": f"application/json; charset={charset}"}
            answer = await api.ask("POST", "/v1/chat/completions", data=data, headers=kind)
            assert answer.status == (400 if charset == "none-such" else 200)
