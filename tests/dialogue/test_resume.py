"""Dropped connections: what counts as taken, who is answered, and what outlives a caller that gave up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from server.config import LimitSettings
from server.dialogue.door import Door
from server.dialogue.outbox import Outbox
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import hello_of, house, say

REPLY = "Two rooms are left. Both of them are dry."
HANG = 3_600.0


def test_what_a_resuming_client_has_seen_was_taken() -> None:
    outbox = Outbox(16, 10_000)
    taken: list[str] = []
    connection = outbox.attach(0)
    for name in ("first", "second", "third"):
        outbox.put(m.Pong(), lambda name=name: taken.append(name))  # type: ignore[misc]  # the default binds the name
    outbox.detach(connection)  # before the transport could confirm what it had sent
    outbox.attach(2)
    assert taken == ["first", "second"]


async def test_a_turn_ends_when_a_resuming_client_has_seen_its_last_line(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        await client.drop()
        await client.session.handle(say())
        (turn,) = client.session.open_turns
        await turn.generated.wait()
        back = await home.enter(resume=m.Resume(session=client.session.id, seq=client.session.outbox.seq))
        assert (await back.next(m.TurnEnd)).heard == REPLY


async def test_the_welcome_of_a_resume_answers_its_hello(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        await client.drop()
        back = await home.enter(id="again", resume=m.Resume(session=client.session.id, seq=1))
        assert (await back.next(m.Welcome)).re == "again"


async def test_who_left_reads_nothing_more_and_may_leave_twice(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY), limits=LimitSettings(linger_s=0.01)) as home:
        door = Door(await home.sessions.open(hello_of()))
        await door.close()
        await door.close()
        assert [message async for message in door.messages()] == []


async def test_leaving_twice_ends_no_turn_of_a_session_that_came_back(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Wait. ", HANG), limits=LimitSettings(linger_s=0.01)) as home:
        client = await home.enter("hilda")
        client.session.detach(client.connection)
        client.session.detach(client.connection)
        await client.drop()
        back = await home.enter(resume=m.Resume(session=client.session.id, seq=1))
        await back.ask(say())
        await back.next(m.Line)
        await asyncio.sleep(0.03)
        assert len(back.session.open_turns) == 1


async def test_a_message_whose_sender_gave_up_is_done_all_the_same(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        recording = asyncio.Event()
        record = home.stage.memory.record

        async def slow_record(*args: Any) -> Any:
            recording.set()
            return await record(*args)

        home.stage.memory.record = slow_record  # type: ignore[assignment, method-assign]  # only says that it began
        sending = asyncio.create_task(client.session.handle(say()))
        await recording.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        again = await client.ask(say())
        assert isinstance(again, m.Ok)
        assert again.turns
        assert (await client.next(m.TurnEnd)).turn == again.turns[0].turn


async def test_nothing_begins_in_a_session_that_was_closed(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        await client.session.close()
        await client.session.handle(say())
        assert client.session.open_turns == []


async def test_a_session_that_is_taken_up_while_others_are_forgotten_stays(tmp_path: Path) -> None:
    limits = LimitSettings(connections=1)
    async with house(tmp_path, Route("local", "Wait. ", HANG), limits=limits) as home:
        clients = [await home.enter("hilda") for _ in range(8)]
        for client in clients:
            await client.ask(say())
            await client.drop()
        opened = await asyncio.gather(*(home.sessions.open(hello_of()) for _ in range(3)), return_exceptions=True)
        assert [result for result in opened if isinstance(result, BaseException)] == []


async def test_a_stop_that_is_sent_again_stops_nothing_new(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Wait. ", HANG)) as home:
        client = await home.enter("hilda")
        await client.ask(m.Stop(id="x"))
        await client.ask(say())
        await client.next(m.Line)
        assert isinstance(await client.ask(m.Stop(id="x")), m.Ok)
        assert len(client.session.open_turns) == 1
