from __future__ import annotations

import pytest

from server.errors import StoreError
from server.memory.records import StoredEvent
from server.memory.store import Memory
from tests.memory.builders import WORLD, happened, tell, texts


async def test_an_npc_knows_only_what_it_witnessed(memory: Memory) -> None:
    await tell(memory, "for both", "hilda", "ansel")
    await tell(memory, "a secret", "hilda", how="whispered")
    await tell(memory, "unseen")
    assert await texts(memory, "hilda") == ["for both", "a secret"]
    assert await texts(memory, "ansel") == ["for both"]
    assert await texts(memory, "stranger") == []


async def test_an_event_comes_back_as_it_was(memory: Memory) -> None:
    recorded = await memory.record(WORLD, "s", None, ("hilda",), None)
    [(turn, _)] = recorded.turns
    seq = await tell(
        memory,
        "Ünder the bridge \0 🌉",
        "hilda",
        kind="result",
        speaker="ansel",
        speaker_name="Ansel",
        player="p2",
        wall_s=1_700_000_000.25,
        how="named",
        scene="night",
        place="bridge",
        time=-12.5,
        importance=0.9,
        turn=turn,
    )
    assert await memory.events_for(WORLD, "hilda", after=0, limit=5) == (
        StoredEvent(
            seq=seq,
            kind="result",
            text="Ünder the bridge \0 🌉",
            speaker="ansel",
            speaker_name="Ansel",
            player="p2",
            scene="night",
            place="bridge",
            time=-12.5,
            wall_s=1_700_000_000.25,
            importance=0.9,
            how="named",
            turn=turn,
        ),
    )


async def test_an_absent_time_and_turn_stay_absent(memory: Memory) -> None:
    await tell(memory, "some time", "hilda")
    [event] = await memory.events_for(WORLD, "hilda", after=0, limit=5)
    assert event.time is None
    assert event.turn is None


async def test_the_newest_are_given_oldest_first(memory: Memory) -> None:
    seqs = [await tell(memory, f"{number}", "hilda") for number in range(10)]
    found = await memory.events_for(WORLD, "hilda", after=seqs[2], limit=4)
    assert [event.text for event in found] == ["6", "7", "8", "9"]
    found = await memory.events_for(WORLD, "hilda", after=seqs[7], limit=4)
    assert [event.text for event in found] == ["8", "9"]
    assert await memory.events_for(WORLD, "hilda", after=seqs[9], limit=4) == ()
    assert await memory.events_for(WORLD, "hilda", after=0, limit=0) == ()


async def test_the_newest_are_found_across_branches(memory: Memory) -> None:
    seqs = []
    for number in range(5):
        seqs.append(await tell(memory, f"{number}", "hilda"))
        await memory.save(WORLD, "quick")
        await tell(memory, f"undone {number}", "hilda")
        await memory.load(WORLD, "quick")
    found = await memory.events_for(WORLD, "hilda", after=seqs[0], limit=3)
    assert [event.text for event in found] == ["2", "3", "4"]
    found = await memory.events_for(WORLD, "hilda", after=seqs[2], limit=30)
    assert [event.text for event in found] == ["3", "4"]


async def test_order_is_the_order_of_writing_whatever_the_clocks_say(memory: Memory) -> None:
    await tell(memory, "first", "hilda", wall_s=2_000.0, time=50.0)
    await tell(memory, "second", "hilda", wall_s=1_000.0, time=-5.0)
    await tell(memory, "third", "hilda", wall_s=1_000.0, time=-5.0)
    assert await texts(memory, "hilda") == ["first", "second", "third"]


async def test_a_witness_named_twice_is_one_witness(memory: Memory) -> None:
    await tell(memory, "once", "hilda", "hilda")
    assert await texts(memory, "hilda") == ["once"]


@pytest.mark.parametrize("turn", ["", "12", "t", "t-1", "t1x", "t٣", "t99"])
async def test_an_event_of_no_turn_is_refused(memory: Memory, turn: str) -> None:
    with pytest.raises(StoreError):
        await memory.record(WORLD, "s", happened("result", "hilda", turn=turn), (), None)
    assert await texts(memory, "hilda") == []
