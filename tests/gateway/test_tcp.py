"""Connections that say too little, or are too many."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from tests.gateway.house import HELLO, open_house


@pytest.mark.parametrize("head", [b"", b"GET /health HTT", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: "])
async def test_half_a_request_head_is_cut_at_the_deadline(head: bytes) -> None:
    async with open_house(limits={"handshake_s": 0.2}) as house, house.guest() as neighbour:
        assert await house.raw(head) == b""
        assert house.refused("handshake") == 1
        assert await neighbour.is_unharmed()


async def test_a_head_that_drips_is_cut_at_the_same_deadline() -> None:
    limits = {"handshake_s": 0.3}
    async with open_house(limits=limits) as house, house.guest() as neighbour, house.wire() as (reader, writer):
        end = asyncio.create_task(reader.read())
        for byte in b"GET /health HTTP/1.1\r\nX-Slow: " + b"a" * 1_000:
            if end.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait({end}, timeout=0.01)
        assert end.done()
        assert isinstance(end.exception(), ConnectionResetError) or end.result() == b""
        assert house.refused("handshake") == 1
        assert await neighbour.is_unharmed()


async def test_what_is_not_http_gets_400_without_an_echo() -> None:
    async with open_house() as house:
        answer = await house.raw(b"\x16\x03\x01secret nonsense\r\n\r\n")
        assert answer.startswith(b"HTTP/1.0 400") or answer.startswith(b"HTTP/1.1 400")
        assert b"secret" not in answer


async def test_over_the_cap_a_connection_gets_503() -> None:
    async with open_house(limits={"connections": 2}) as house, house.guest() as one, house.guest() as two:
        with pytest.raises(InvalidStatus) as refused:
            async with house.stranger():
                pass
        assert refused.value.response.status_code == 503
        assert house.refused("connections") == 1
        assert await one.is_unharmed()
        assert await two.is_unharmed()


async def test_only_so_many_may_wait_without_a_hello() -> None:
    async with open_house(limits={"connections_before_hello": 2}) as house, house.stranger() as one, house.stranger():
        with pytest.raises(InvalidStatus):
            async with house.stranger():
                pass
        await one.ask(**HELLO)
        async with house.guest() as client:
            assert await client.is_unharmed()


async def test_room_is_free_again_when_a_connection_ends() -> None:
    async with open_house(limits={"connections": 1}) as house:
        for _ in range(5):
            assert (await house.http("GET", "/health"))[0] == 200


async def test_half_a_second_request_counts_as_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.gateway.tcp.KEEPALIVE_S", 0.2)
    async with open_house() as house, house.guest() as neighbour:
        head = f"GET /health HTTP/1.1\r\nHost: {house.url}\r\n".encode()
        answer = await house.raw(head + b"\r\n" + head)
        assert answer.count(b"HTTP/1.1 200") == 1
        assert await neighbour.is_unharmed()


async def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.gateway.tcp.LINGERING_S", 0.2)
    async with open_house() as house:
        answer = await house.raw(
            f"POST /health HTTP/1.1\r\nHost: {house.url}\r\nContent-Type: application/json\r\n"
            "Content-Length: 9\r\n\r\n{".encode()
        )
        assert b" 405 " in answer.split(b"\r\n")[0]


async def test_an_answer_that_nobody_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.gateway.tcp.STALLED_GRACE_S", 0.1)
    limits = {"send_s": 0.1}
    async with open_house(limits=limits) as house, house.guest() as neighbour, house.wire() as (_, writer):
        request = f"GET /schema/barkeep.schema.json HTTP/1.1\r\nHost: {house.url}\r\n\r\n".encode()
        async with asyncio.timeout(10):
            while not writer.transport.is_closing():
                writer.write(request * 50)
                try:
                    await writer.drain()
                except ConnectionError:
                    break
        assert await neighbour.is_unharmed()
