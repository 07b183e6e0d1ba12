"""What a session is to others: worlds, saves, dropped connections, restarts, repeated ids."""

from __future__ import annotations

from pathlib import Path

from server.config import LimitSettings
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import Recording, house, say

REPLY = "Two rooms are left. Both of them are dry."
HANG = 3_600.0


async def test_the_same_id_is_answered_again_and_not_run_again(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        client = await home.enter("hilda")
        first = await client.ask(say())
        await client.next(m.TurnEnd)
        second = await client.ask(say())
        assert isinstance(first, m.Ok)
        assert isinstance(second, m.Ok)
        assert first.turns == second.turns
        assert len(route.prompts) == 1


async def test_two_sessions_of_one_world_share_memory_and_other_worlds_do_not(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        one = await home.enter("hilda")
        await one.ask(say("My name is Wren."))
        await one.next(m.TurnEnd)
        for world, knows in (("default", True), ("elsewhere", False)):
            other = await home.enter("hilda", world=world)
            await other.ask(say("Who was here?"))
            await other.next(m.TurnEnd)
            assert any("Wren" in text for text in route.prompts[-1]) is knows
            assert not any(turn.turn in {t.turn for t in one.all(m.TurnStart)} for turn in other.all(m.TurnStart))


async def test_a_load_takes_back_what_was_said_after_the_save(tmp_path: Path) -> None:
    route = Recording("local", "So be it.")
    async with house(tmp_path, route) as home:
        client, other = await home.enter("hilda"), await home.enter("ansel")
        await client.ask(m.Save(id="a", save="one"))
        await client.ask(say("I stole the wheel box."))
        await client.next(m.TurnEnd)
        assert isinstance(await client.ask(m.Load(id="b", save="one")), m.Ok)
        await client.ask(say("What did I do?", id="s2"))
        await client.next(m.TurnEnd)
        assert not any("wheel box" in text for text in route.prompts[-1])
        assert (await other.next(m.Notice)).code == "timeline"
        refused = await client.ask(m.Load(id="c", save="never"))
        assert isinstance(refused, m.Error)
        assert refused.code == "unknown_save"


async def test_a_load_ends_running_turns_as_superseded(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", "Wait. ", HANG)) as home:
        client, loader = await home.enter("hilda"), await home.enter("ansel")
        await client.ask(say())
        await client.next(m.TurnStart)
        await loader.ask(m.Load(id="l", save=None))
        assert (await client.next(m.TurnEnd)).reason == "superseded"


async def test_a_conversation_carries_on_after_a_restart(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    for number in (1, 2):
        async with house(tmp_path, route) as home:
            client = await home.enter("hilda")
            await client.ask(say("My name is Wren." if number == 1 else "Who am I?"))
            await client.next(m.TurnEnd)
    assert any("My name is Wren." in text for text in route.prompts[1])
    assert REPLY in route.prompts[1]


async def test_a_dropped_session_goes_on_and_is_resumed_without_a_gap(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        answer = await client.ask(say())
        await client.drop()
        resume = m.Resume(session=client.session.id, seq=answer.seq)
        back = await home.enter(resume=resume)
        assert back.session is client.session
        await back.next(m.TurnEnd)
        welcome, *rest = back.seen
        assert isinstance(welcome, m.Welcome)
        assert welcome.resumed
        assert [message.seq for message in rest] == list(range(answer.seq + 1, answer.seq + 1 + len(rest)))


async def test_a_session_that_stays_away_ends_its_turns_with_what_was_taken(tmp_path: Path) -> None:
    limits = LimitSettings(linger_s=0)
    async with house(tmp_path, Route("local", "One room. ", "And another. ", HANG), limits=limits) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        line = await client.next(m.Line)
        (turn,) = client.session.open_turns
        await client.drop()
        await turn.ended.wait()
        back = await home.enter(resume=m.Resume(session=client.session.id, seq=line.seq))
        end = await back.next(m.TurnEnd)
        assert (end.reason, end.heard) == ("stopped", "One room.")


async def test_a_session_that_nobody_resumed_in_time_is_forgotten(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY), limits=LimitSettings(linger_s=0, resume_s=0)) as home:
        client = await home.enter("hilda")
        await client.drop()
        await home.enter("ansel")
        assert len(home.sessions) == 1
        back = await home.enter(resume=m.Resume(session=client.session.id, seq=1))
        assert not (await back.next(m.Welcome)).resumed


async def test_scenes_of_two_sessions_stay_apart(tmp_path: Path) -> None:
    route = Recording("local", REPLY)
    async with house(tmp_path, route) as home:
        one, two = await home.enter("hilda"), await home.enter("ansel")
        await one.ask(m.Scene(id="p", place="the cellar", note="It is flooded."))
        answer = await two.ask(say(to=None))
        assert isinstance(answer, m.Ok)
        assert [turn.npc for turn in answer.turns or []] == ["ansel"]
        await two.next(m.TurnEnd)
        assert not any("cellar" in text or "flooded" in text for text in route.prompts[0])
        assert one.all(m.TurnStart) == []


async def test_an_unknown_session_is_a_new_one_that_says_the_last_committed_id(tmp_path: Path) -> None:
    async with house(tmp_path, Route("local", REPLY)) as home:
        client = await home.enter("hilda")
        await client.ask(say())
        await client.next(m.TurnEnd)
        session = client.session.id
    async with house(tmp_path, Route("local", REPLY)) as home:
        back = await home.enter(resume=m.Resume(session=session, seq=3))
        welcome = await back.next(m.Welcome)
        assert (welcome.resumed, welcome.last_id) == (False, "s1")
        assert isinstance(await back.ask(say()), m.Ok)
        assert back.all(m.TurnStart) == []
