"""Every way in which one client can misbehave, and that its neighbour does not notice."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress

import msgpack
import pytest
import structlog
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from server.errors import StoreError
from server.gateway.connection import MAX_BAD_FRAMES
from tests.gateway.house import HELLO, SECRET_WORDS, House, open_house, text_frame


async def test_a_client_is_answered_in_json_when_it_begins_in_json() -> None:
    async with open_house() as house, house.stranger() as client:
        welcome = await client.ask(**HELLO, id="a")
        assert (welcome["type"], welcome["seq"], welcome["re"]) == ("welcome", 1, "a")
        assert (await client.ask(type="ping", id="b"))["seq"] == 2


async def test_a_client_is_answered_in_messagepack_when_it_begins_in_messagepack() -> None:
    async with open_house() as house, house.stranger() as client:
        await client.ws.send(msgpack.packb(HELLO))
        assert msgpack.unpackb(await client.ws.recv())["type"] == "welcome"
        await client.ws.send(json.dumps({"type": "ping"}))
        assert msgpack.unpackb(await client.ws.recv())["type"] == "pong"


@pytest.mark.parametrize(
    ("first", "error", "close"),
    [
        ('{"type": "ping"}', "hello_first", 4000),
        ("no json", "bad_frame", 4000),
        ('{"type": "hello", "protocol": 1}', "bad_message", 4000),
        ('{"type": "hullo"}', "unknown_type", 4000),
        ('{"type": "hello", "protocol": 2, "client": {"name": "x"}}', "bad_protocol", 4001),
    ],
)
async def test_a_wrong_first_message_is_named_and_closed(first: str, error: str, close: int) -> None:
    async with open_house() as house, house.guest() as neighbour, house.stranger() as client:
        await client.ws.send(first)
        answer = await client.receive()
        assert (answer["type"], answer["code"]) == ("error", error)
        assert answer["hint"]
        assert await client.closed() == close
        assert await neighbour.is_unharmed()


async def test_who_says_nothing_is_closed() -> None:
    async with open_house(limits={"hello_s": 0.2}) as house, house.guest() as neighbour, house.stranger() as client:
        assert await client.closed() == 4000
        assert house.refused("hello_late") == 1
        assert await neighbour.is_unharmed()


async def test_pings_do_not_count_as_a_first_message() -> None:
    async with open_house(limits={"hello_s": 0.3}) as house, house.stranger() as client:
        await (await client.ws.ping())
        assert await client.closed() == 4000


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("[]", "bad_frame"),
        ("nonsense", "bad_frame"),
        ('{"type": "say", "text": NaN}', "bad_frame"),
        ('{"id": "x"}', None),
        ('{"type": "dance", "id": "x"}', "unknown_type"),
        ('{"type": "say", "id": "x"}', "bad_message"),
        ('{"type": "say", "id": "x", "text": 5}', "bad_message"),
        ('{"type": "say", "id": "x", "text": "hi", "volume": 11}', "unknown_field"),
        ('{"type": "warm", "id": "x", "npc": "../../etc"}', "bad_message"),
        (b"\xdd\xff\xff\xff\xff", "bad_frame"),
        (b"\xc6\xff\xff\xff\xff", "bad_frame"),
        (b"\x91" * 100_000, "bad_frame"),
        (b"", "bad_frame"),
        ("[" * 100_000, "bad_frame"),
    ],
)
async def test_a_malformed_message_gets_its_error_and_the_connection_stays(
    frame: str | bytes, code: str | None
) -> None:
    async with open_house() as house, house.guest() as neighbour, house.guest() as client:
        await client.ws.send(frame)
        answer = await client.receive()
        assert answer["type"] == "error"
        assert code is None or answer["code"] == code
        assert ("re" in answer) == (isinstance(frame, str) and '"id"' in frame)
        assert await client.is_unharmed()
        assert await neighbour.is_unharmed()


async def test_each_kind_of_message_reaches_the_session() -> None:
    async with open_house() as house, house.guest() as client:
        assert (await client.ask(type="say", text="hi", id="1"))["type"] == "ok"
        assert (await client.ask(type="hello", protocol=1, client={"name": "x"}, id="2"))["code"] == "hello_twice"
        assert [message.type for message in house.sessions.opened["s0"].handled] == ["say"]


async def test_nonsense_without_end_is_closed() -> None:
    async with open_house() as house, house.guest() as neighbour, house.guest() as client:
        for _ in range(MAX_BAD_FRAMES - 1):
            await client.ws.send("nonsense")
        assert [(await client.receive())["code"] for _ in range(MAX_BAD_FRAMES - 1)] == ["bad_frame"] * 19
        assert await client.is_unharmed()
        for _ in range(MAX_BAD_FRAMES):
            await client.ws.send("nonsense")
        assert await client.closed() == 1008
        assert await neighbour.is_unharmed()


async def test_an_oversize_frame_is_closed_with_1009() -> None:
    async with (
        open_house(limits={"message_bytes": 2_000}) as house,
        house.guest() as neighbour,
        house.guest() as client,
    ):
        await client.ws.send("x" * 2_000)
        assert (await client.receive())["code"] == "bad_frame"
        await client.ws.send("x" * 2_001)
        assert await client.closed() == 1009
        assert house.refused("too_big") == 1
        assert await neighbour.is_unharmed()


async def test_a_frame_far_over_the_limit_is_closed_with_1009_as_well() -> None:
    async with open_house() as house, house.guest() as neighbour, house.guest() as client:
        with suppress(ConnectionClosed):
            await client.ws.send("x" * 5_000_000)
        assert await client.closed() == 1009
        assert await neighbour.is_unharmed()


async def test_fragments_count_together() -> None:
    async with (
        open_house(limits={"message_bytes": 2_000}) as house,
        house.guest() as neighbour,
        house.guest() as client,
    ):
        with suppress(ConnectionClosed):
            await client.ws.send("x" for _ in range(3_000))
        assert await client.closed() == 1009
        assert await neighbour.is_unharmed()


async def test_over_the_rate_each_message_is_refused_by_its_id_and_a_flood_is_closed() -> None:
    limits = {"messages_per_second": 0.01, "message_burst": 5}
    async with open_house(limits=limits) as house, house.stranger() as neighbour, house.guest() as client:
        for number in range(14):
            await client.send(type="ping", id=str(number))
        answers = [await client.receive() for _ in range(14)]
        assert [answer["type"] for answer in answers] == ["pong"] * 4 + ["error"] * 10
        assert {answer["code"] for answer in answers[4:]} == {"too_fast"}
        assert all(answer["retryable"] for answer in answers[4:])
        assert [answer["re"] for answer in answers] == [str(number) for number in range(14)]
        await client.send(type="ping")
        assert await client.closed() == 4029
        assert house.refused("flood") == 1
        assert (await neighbour.ask(**HELLO))["type"] == "welcome"


async def test_a_flood_of_websocket_pings_is_a_flood() -> None:
    async with open_house(limits={"messages_per_second": 0.01, "message_burst": 5}) as house, house.guest() as client:
        with suppress(ConnectionClosed):
            for _ in range(100):
                await client.ws.ping()
        assert await client.closed() == 4029


async def test_who_never_reads_is_cut_and_the_session_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.gateway.tcp.STALLED_GRACE_S", 60)
    limits = {"send_s": 0.2, "connections": 2}
    async with open_house(limits=limits) as house, house.guest() as neighbour, house.wire() as (_, writer):
        writer.write(house.upgrade() + text_frame(HELLO) + text_frame({"type": "say", "text": "spam"}))
        async with asyncio.timeout(5):
            await house.sessions.arrivals.get()  # the neighbour
            await (await house.sessions.arrivals.get()).detached.wait()
        assert house.refused("too_slow") == 1
        assert await neighbour.is_unharmed()
        async with asyncio.timeout(5):
            while not await _is_let_in(house):
                pass


async def _is_let_in(house: House) -> bool:
    """Whether there is room for one more connection."""
    try:
        async with house.guest():
            return True
    except (InvalidHandshake, ConnectionError):
        return False


async def test_a_peer_that_answers_no_ping_is_gone() -> None:
    limits = {"heartbeat_s": 0.2}
    async with open_house(limits=limits) as house, house.guest() as neighbour, house.wire() as (reader, writer):
        writer.write(house.upgrade() + text_frame(HELLO))
        async with asyncio.timeout(5):
            assert await reader.read()
        await asyncio.wait_for(house.sessions.opened["s1"].detached.wait(), 5)
        assert await neighbour.is_unharmed()


async def test_compression_is_never_agreed_on() -> None:
    async with open_house() as house, house.guest(compression="deflate") as client:
        assert client.ws.protocol.extensions == []


async def test_a_failure_costs_its_connection_alone_and_the_log_keeps_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        async with open_house() as house, house.guest() as neighbour, house.guest() as client:
            await client.send(type="say", text="crash")
            assert await client.closed() == 1011
            assert await neighbour.is_unharmed()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["connection_failed"]
    assert "RuntimeError" in str(logs)
    assert SECRET_WORDS not in str(logs) + caplog.text


async def test_a_session_that_cannot_be_opened_is_an_error_of_its_own() -> None:
    async with open_house() as house, house.stranger() as client:
        house.sessions.failure = StoreError("the disk is full", "make room")
        answer = await client.ask(**HELLO)
        assert (answer["code"], answer["hint"]) == ("store", "make room")
        assert await client.closed() == 1013


async def test_a_newer_connection_takes_the_session_over() -> None:
    async with open_house() as house, house.guest() as old, house.stranger() as new:
        welcome = await new.ask(**HELLO, resume={"session": "s0", "seq": 0})
        assert welcome["session"] == "s0"
        assert await old.closed() == 4009
        assert await new.is_unharmed()


async def test_a_message_at_work_is_finished_when_its_connection_is_taken_over() -> None:
    async with open_house() as house, house.guest() as old:
        session = house.sessions.opened["s0"]
        session.busy = asyncio.Event()
        await old.send(type="say", text="hi", id="slow")
        await session.began.wait()
        async with house.stranger() as new:
            await new.ask(**HELLO, resume={"session": "s0", "seq": 0})
            session.busy.set()
            assert (await new.receive())["re"] == "slow"
            assert await old.closed() == 4009


async def test_a_client_that_leaves_is_detached() -> None:
    async with open_house() as house, house.guest() as neighbour:
        async with house.guest() as client:
            await client.ws.close()
        await asyncio.wait_for(house.sessions.opened["s1"].detached.wait(), 5)
        async with house.guest() as client:
            client.ws.transport.abort()
            await asyncio.wait_for(house.sessions.opened["s2"].detached.wait(), 5)
        assert await neighbour.is_unharmed()


@pytest.mark.parametrize("said", [b"", text_frame(HELLO), text_frame(HELLO) + text_frame({"type": "ping"}), b"\x81"])
async def test_a_connection_lost_at_any_step_leaves_no_task(said: bytes) -> None:
    async with open_house() as house, house.guest() as neighbour:
        before = asyncio.all_tasks()
        async with house.wire() as (reader, writer):
            writer.write(house.upgrade() + said)
            await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(5):
            while leaked := asyncio.all_tasks() - before:
                await asyncio.wait(leaked)
        assert await neighbour.is_unharmed()


async def test_a_flood_in_one_packet_is_answered_before_it_is_closed() -> None:
    limits = {"messages_per_second": 0.01, "message_burst": 5}
    async with open_house(limits=limits) as house, house.wire() as (reader, writer):
        writer.write(house.upgrade() + text_frame(HELLO) + text_frame({"type": "ping"}) * 15)
        async with asyncio.timeout(5):
            said = await reader.read(-1)
        assert said.count(b'"too_fast"') == 10
        assert (4029).to_bytes(2, "big") in said
