from __future__ import annotations

import pytest

from server.errors import UnknownSave
from server.memory.recall import Question
from server.memory.records import RequestKey
from server.memory.store import Memory
from tests.memory.builders import WORLD, ended, happened, talk, tell, texts


async def test_a_load_takes_the_undone_future_away(memory: Memory) -> None:
    await tell(memory, "before", "hilda")
    await memory.save(WORLD, "one")
    await tell(memory, "undone", "hilda")
    await memory.load(WORLD, "one")
    assert await texts(memory, "hilda") == ["before"]
    await tell(memory, "after", "hilda")
    assert await texts(memory, "hilda") == ["before", "after"]


async def test_a_load_deletes_nothing(memory: Memory) -> None:
    await memory.save(WORLD, "early")
    await tell(memory, "a later day", "hilda")
    await memory.save(WORLD, "late")
    await memory.load(WORLD, "early")
    assert await texts(memory, "hilda") == []
    await memory.load(WORLD, "late")
    assert await texts(memory, "hilda") == ["a later day"]


async def test_the_same_save_again_moves_its_mark(memory: Memory) -> None:
    await memory.save(WORLD, "quick")
    await tell(memory, "kept", "hilda")
    await memory.save(WORLD, "quick")
    await tell(memory, "undone", "hilda")
    await memory.load(WORLD, "quick")
    assert await texts(memory, "hilda") == ["kept"]


async def test_a_new_game_begins_with_nothing(memory: Memory) -> None:
    await tell(memory, "before", "hilda")
    await memory.load(WORLD, None)
    assert await texts(memory, "hilda") == []


async def test_an_unknown_save_does_not_move_the_head(memory: Memory) -> None:
    await tell(memory, "before", "hilda")
    head = await memory.head(WORLD)
    with pytest.raises(UnknownSave) as raised:
        await memory.load(WORLD, "never saved")
    assert "save" in raised.value.hint
    with pytest.raises(UnknownSave):
        await memory.check_save(WORLD, "never saved")
    assert await memory.head(WORLD) == head
    assert await texts(memory, "hilda") == ["before"]


async def test_a_save_belongs_to_its_world(memory: Memory) -> None:
    await memory.save("one", "quick")
    await memory.check_save("one", "quick")
    with pytest.raises(UnknownSave):
        await memory.load("two", "quick")


async def test_each_load_opens_a_branch_and_an_epoch(memory: Memory) -> None:
    first = await memory.head(WORLD)
    await memory.save(WORLD, "one")
    assert await memory.head(WORLD) == first
    heads = []
    for _ in range(3):
        await memory.load(WORLD, "one")
        heads.append(await memory.head(WORLD))
    assert [head.epoch - first.epoch for head in heads] == [1, 2, 3]
    assert len({head.branch for head in [first, *heads]}) == 4


async def test_a_turn_of_the_time_before_a_load_ends_there(memory: Memory) -> None:
    await memory.save(WORLD, "one")
    recorded = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), None)
    await memory.save(WORLD, "two")
    await memory.load(WORLD, "one")
    [(turn, _)] = recorded.turns
    await memory.commit_turn(ended(turn, "hilda", "too late"), happened("too late", "hilda", turn=turn))
    assert await texts(memory, "hilda") == []
    assert await memory.last_turns(WORLD, "hilda", 5) == ()
    await memory.load(WORLD, "two")
    assert await texts(memory, "hilda") == ["hello"]
    assert await memory.last_turns(WORLD, "hilda", 5) == ()


async def test_what_ends_after_a_mark_without_an_event_is_after_it_all_the_same(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), None)
    await memory.save(WORLD, "one")
    [(turn, _)] = recorded.turns
    await memory.commit_turn(ended(turn, "hilda", "", reason="stopped"), None)
    await memory.set_persona(WORLD, "hilda", {"mood": "cross"})
    await memory.load(WORLD, "one")
    assert await memory.last_turns(WORLD, "hilda", 5) == ()
    assert await memory.personas(WORLD) == {}


async def test_worlds_never_see_each_other(memory: Memory) -> None:
    await talk(memory, "in the first", "hilda", "first", world="one")
    await talk(memory, "in the second", "hilda", "second", world="two")
    await memory.set_persona("one", "hilda", {"mood": "cross"})
    assert await texts(memory, "hilda", "one") == ["in the first", "first"]
    assert await texts(memory, "hilda", "two") == ["in the second", "second"]
    assert [turn.heard for turn in await memory.last_turns("two", "hilda", 5)] == ["second"]
    recalled = await memory.recall("two", "hilda", Question("first", 5))
    assert [one.event.text for one in recalled] == ["second", "in the second"]
    assert await memory.personas("two") == {}
    await memory.load("one", None)
    assert await texts(memory, "hilda", "two") == ["in the second", "second"]


async def test_a_world_that_nobody_used_is_empty(memory: Memory) -> None:
    assert await texts(memory, "hilda", "nowhere") == []
    assert await memory.personas("nowhere") == {}
    assert (await memory.derived.summary("nowhere", "hilda")).text == ""


async def test_a_repeated_save_or_load_is_not_run_again(memory: Memory) -> None:
    save, load = RequestKey("l", "save-1"), RequestKey("l", "load-1")
    assert await memory.save(WORLD, "one", save)
    await tell(memory, "first", "hilda")
    assert not await memory.save(WORLD, "one", save)
    assert await memory.load(WORLD, "one", load)
    await tell(memory, "second", "hilda")
    head = await memory.head(WORLD)
    assert not await memory.load(WORLD, "one", load)
    assert await memory.head(WORLD) == head
    assert await texts(memory, "hilda") == ["second"]
    assert await memory.answered(load) == {"turns": None, "why": None}


async def test_a_refused_load_is_not_an_answered_one(memory: Memory) -> None:
    key = RequestKey("l", "load-1")
    with pytest.raises(UnknownSave):
        await memory.load(WORLD, "one", key)
    assert await memory.answered(key) is None
