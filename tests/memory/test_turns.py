from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from server.errors import StoreError
from server.memory.records import Recorded, RequestKey
from server.memory.store import Memory
from tests.memory.builders import WORLD, ended, happened, talk, texts

KEY = RequestKey("lineage", "m1")


async def test_an_event_opens_a_turn_for_each_speaker(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", happened("hello", "hilda", "ansel"), ("hilda", "ansel"), KEY)
    assert recorded.seq is not None
    assert [npc for _, npc in recorded.turns] == ["hilda", "ansel"]
    assert len({turn for turn, _ in recorded.turns}) == 2
    assert not recorded.repeated
    assert await memory.answered(KEY) == {
        "turns": [{"turn": turn, "npc": npc} for turn, npc in recorded.turns],
        "why": None,
    }


async def test_nobody_answers_and_the_answer_says_why(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", happened("hello"), (), KEY, why="nobody is here")
    assert recorded.turns == ()
    assert await memory.answered(KEY) == {"turns": None, "why": "nobody is here"}


async def test_a_turn_may_open_without_an_event(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", None, ("hilda",), KEY)
    assert recorded.seq is None
    assert [npc for _, npc in recorded.turns] == ["hilda"]


async def test_a_request_is_run_once_and_answered_alike(memory: Memory) -> None:
    first = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), KEY, why="because")
    again = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), KEY, why="because")
    assert again == replace(first, repeated=True)
    assert await texts(memory, "hilda") == ["hello"]


async def test_the_same_request_many_times_at_once_is_run_once(memory: Memory) -> None:
    event = happened("hello", "hilda")
    answers = await asyncio.gather(*(memory.record(WORLD, "s", event, ("hilda",), KEY) for _ in range(50)))
    assert sum(not answer.repeated for answer in answers) == 1
    assert len({(answer.seq, answer.turns) for answer in answers}) == 1
    assert await texts(memory, "hilda") == ["hello"]


async def test_the_same_id_in_another_lineage_is_another_request(memory: Memory) -> None:
    await memory.record(WORLD, "s", happened("one", "hilda"), (), KEY)
    await memory.record(WORLD, "s", happened("two", "hilda"), (), RequestKey("other", KEY.client_id))
    assert await texts(memory, "hilda") == ["one", "two"]


async def test_many_players_speak_at_once(memory: Memory) -> None:
    async def one(number: int) -> Recorded:
        key = RequestKey(f"l{number}", "1")
        return await memory.record(WORLD, "s", happened(f"{number}", "hilda"), ("hilda",), key)

    answers = await asyncio.gather(*(one(number) for number in range(200)))
    assert len({answer.seq for answer in answers}) == 200
    assert len({answer.turns for answer in answers}) == 200
    said = {event.seq: event.text for event in await memory.events_for(WORLD, "hilda", after=0, limit=1_000)}
    assert said == {answer.seq: f"{number}" for number, answer in enumerate(answers)}


async def test_a_finished_turn_comes_back_as_it_was(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), None)
    [(turn, _)] = recorded.turns
    record = ended(
        turn,
        "hilda",
        "Welcome… 🍺",
        player="p2",
        reason="superseded",
        text="Welcome… 🍺 stranger",
        written=("At night.", "Ana: hello"),
        fingerprint="abc",
        token_ids=(1, 65_535),
        memory_ids=(3, 4),
        lore_ids=("tavern/ale",),
        read_to=7,
        trace={"type": "turn.end", "ms": {"total": 1.5}, "cost_usd": None},
    )
    await memory.commit_turn(record, None)
    assert await memory.last_turns(WORLD, "hilda", 5) == (record,)


async def test_the_heard_line_is_an_event_with_its_witnesses(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", happened("hello", "hilda", "ansel"), ("hilda",), None)
    [(turn, _)] = recorded.turns
    line = happened("welcome", "ansel", kind="line", speaker="hilda", how="whispered", turn=turn)
    seq = await memory.commit_turn(ended(turn, "hilda", "welcome"), line)
    [_, own] = await memory.events_for(WORLD, "hilda", after=0, limit=5)
    [_, overheard] = await memory.events_for(WORLD, "ansel", after=0, limit=5)
    assert (own.seq, own.how, own.turn) == (seq, "spoke", turn)
    assert (overheard.seq, overheard.how) == (seq, "whispered")


async def test_a_turn_in_which_nothing_was_heard_leaves_no_event(memory: Memory) -> None:
    await talk(memory, "hello", "hilda", "", reason="stopped")
    assert await texts(memory, "hilda") == ["hello"]
    [turn] = await memory.last_turns(WORLD, "hilda", 5)
    assert (turn.reason, turn.heard) == ("stopped", "")


async def test_a_turn_that_wrote_nothing_is_no_history(memory: Memory) -> None:
    await talk(memory, "hello", "hilda", "welcome", written=())
    assert await memory.last_turns(WORLD, "hilda", 5) == ()


async def test_a_turn_ends_once(memory: Memory) -> None:
    turn = await talk(memory, "hello", "hilda", "welcome")
    with pytest.raises(StoreError, match="ended already"):
        await memory.commit_turn(ended(turn, "hilda", "again"), happened("again", "hilda"))
    assert await texts(memory, "hilda") == ["hello", "welcome"]
    assert [record.heard for record in await memory.last_turns(WORLD, "hilda", 5)] == ["welcome"]


@pytest.mark.parametrize("turn", ["t99", "nonsense"])
async def test_an_unknown_turn_cannot_end(memory: Memory, turn: str) -> None:
    with pytest.raises(StoreError):
        await memory.commit_turn(ended(turn, "hilda", "hello"), happened("hello", "hilda"))
    assert await texts(memory, "hilda") == []


async def test_a_turn_cannot_be_ended_for_another_npc(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", None, ("hilda",), None)
    [(turn, _)] = recorded.turns
    with pytest.raises(StoreError):
        await memory.commit_turn(ended(turn, "ansel", "hello"), None)
    await memory.commit_turn(ended(turn, "hilda", "hello"), None)


async def test_a_turn_that_cannot_be_written_leaves_nothing_and_stays_open(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", None, ("hilda",), None)
    [(turn, _)] = recorded.turns
    with pytest.raises(StoreError):
        await memory.commit_turn(ended(turn, "hilda", "half \ud800"), happened("fine", "hilda", turn=turn))
    assert await texts(memory, "hilda") == []
    await memory.commit_turn(ended(turn, "hilda", "whole"), None)


async def test_the_newest_turns_are_given_oldest_first(memory: Memory) -> None:
    for number in range(6):
        await talk(memory, "hello", "hilda", f"{number}")
        await talk(memory, "hello", "ansel", f"ansel {number}")
        await memory.save(WORLD, "quick")
        await memory.load(WORLD, "quick")
    assert [turn.heard for turn in await memory.last_turns(WORLD, "hilda", 4)] == ["2", "3", "4", "5"]
    assert await memory.last_turns(WORLD, "hilda", 0) == ()
