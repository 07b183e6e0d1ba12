import asyncio

import pytest

from server.dialogue.outbox import GOING_AWAY, TAKEN_OVER, TOO_SLOW, Outbox, OutboxClosed
from server.protocol.messages import Notice, Pong


def note(text: str = "x") -> Notice:
    return Notice(code="test", message=text)


async def test_messages_are_numbered_from_one_in_order() -> None:
    outbox = Outbox(16, 10_000)
    connection = outbox.attach(0)
    outbox.put(note("a"))
    outbox.put(note("b"))
    assert [(await outbox.next(connection)).seq for _ in range(2)] == [1, 2]


async def test_a_resume_replays_what_came_after_the_last_seen_message() -> None:
    outbox = Outbox(16, 10_000)
    first = outbox.attach(0)
    for text in "abc":
        outbox.put(note(text))
    await outbox.next(first)
    outbox.detach(first)
    second = outbox.attach(1, Pong())
    greeting, *rest = [await outbox.next(second) for _ in range(3)]
    assert isinstance(greeting, Pong)
    assert greeting.seq == 1
    assert [message.seq for message in rest] == [2, 3]


async def test_messages_over_the_cap_cannot_be_replayed() -> None:
    outbox = Outbox(4, 10_000)
    for _ in range(6):
        outbox.put(note())
    assert outbox.can_replay(2)
    assert not outbox.can_replay(1)
    assert not outbox.can_replay(7)


async def test_a_reader_that_falls_behind_the_cap_is_closed_as_too_slow() -> None:
    outbox = Outbox(4, 10_000)
    connection = outbox.attach(0)
    for _ in range(5):
        outbox.put(note())
    with pytest.raises(OutboxClosed) as closed:
        await outbox.next(connection)
    assert closed.value.close_code == TOO_SLOW


async def test_the_byte_cap_holds_whatever_the_number_of_messages() -> None:
    outbox = Outbox(1_000, 2_000)
    for _ in range(10):
        outbox.put(note("x" * 500))
    assert not outbox.can_replay(0)
    assert outbox.can_replay(8)


async def test_a_newer_connection_takes_over_even_from_one_that_waits() -> None:
    outbox = Outbox(16, 10_000)
    older = outbox.attach(0)
    waiting = asyncio.create_task(outbox.next(older))
    await asyncio.sleep(0)
    newer = outbox.attach(0)
    with pytest.raises(OutboxClosed) as closed:
        await waiting
    assert closed.value.close_code == TAKEN_OVER
    outbox.put(note("for the newer"))
    assert (await outbox.next(newer)).seq == 1
    assert not outbox.detach(older)
    assert outbox.attached


async def test_taken_calls_back_once() -> None:
    outbox = Outbox(16, 10_000)
    connection = outbox.attach(0)
    calls: list[int] = []
    outbox.put(note(), lambda: calls.append(1))
    message = await outbox.next(connection)
    assert calls == []
    outbox.taken(connection, message.seq)
    outbox.taken(connection, message.seq)
    outbox.taken(connection, 99)
    assert calls == [1]


async def test_a_closed_outbox_hands_out_what_is_queued_first() -> None:
    outbox = Outbox(16, 10_000)
    connection = outbox.attach(0)
    outbox.put(note())
    outbox.close(GOING_AWAY, "bye")
    assert (await outbox.next(connection)).seq == 1
    with pytest.raises(OutboxClosed) as closed:
        await outbox.next(connection)
    assert closed.value.close_code == GOING_AWAY
