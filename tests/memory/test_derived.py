"""Derived rows: they follow from the log, hold where it does, and are never written into an undone future."""

from __future__ import annotations

from server.memory.digest import Batch, fold
from server.memory.impressions import impressions_of
from server.memory.store import Memory
from server.memory.summaries import BY_RULE, DiaryEntry, Summary
from tests.memory.builders import WORLD, tell

RULES = impressions_of("en")


async def batch(memory: Memory, npc: str = "hilda", limit: int = 100) -> Batch:
    while await memory.extract_facts():
        pass
    found = await memory.derived.undigested(WORLD, npc, limit)
    assert found is not None
    return found


async def digest(memory: Memory, npc: str = "hilda") -> None:
    found = await batch(memory, npc)
    assert await memory.derived.keep_digest(WORLD, found, fold(found, RULES, ("Hilda",)))


async def fear(memory: Memory, npc: str = "hilda") -> float:
    [regard] = (await memory.derived.standpoint(WORLD, npc, ["player"])).regards
    return regard.fear


async def test_what_was_digested_is_not_offered_again(memory: Memory) -> None:
    await tell(memory, "The player attacks Hilda.", "hilda", kind="attack", speaker="")
    await digest(memory)
    assert await memory.derived.undigested(WORLD, "hilda", 100) is None
    assert await fear(memory) > 0.3


async def test_events_wait_until_their_facts_are_read(memory: Memory) -> None:
    await tell(memory, "I promise to bring the ring.", "hilda")
    assert await memory.derived.undigested(WORLD, "hilda", 100) is None
    assert len((await batch(memory)).happened) == 1


async def test_only_what_was_witnessed_is_digested(memory: Memory) -> None:
    await tell(memory, "You fool.", "ansel")
    await tell(memory, "Good day.", "hilda")
    assert [each.event.text for each in (await batch(memory)).happened] == ["Good day."]


async def test_work_that_a_load_overtook_writes_nothing(memory: Memory) -> None:
    await memory.save(WORLD, "one")
    await tell(memory, "The player attacks Hilda.", "hilda", kind="attack", speaker="")
    found = await batch(memory)
    await memory.load(WORLD, "one")
    assert not await memory.derived.keep_digest(WORLD, found, fold(found, RULES, ("Hilda",)))
    assert await memory._database.read(lambda c: c.execute("SELECT count(*) FROM standings").fetchone()) == (0,)
    assert not await memory.derived.write_summary(WORLD, "hilda", found.head, 0, Summary(1, "x"))


async def test_a_load_that_goes_back_behind_the_digest_carries_on_where_it_left(memory: Memory) -> None:
    for number in range(3):
        await tell(memory, "The player attacks Hilda.", "hilda", kind="attack", speaker="")
        await memory.save(WORLD, f"save {number}")
    await digest(memory)
    whole = await fear(memory)
    await memory.load(WORLD, "save 0")
    first = await fear(memory)
    assert 0 < first < whole
    assert await memory.derived.undigested(WORLD, "hilda", 100) is None
    await tell(memory, "The player attacks Hilda.", "hilda", kind="attack", speaker="")
    await digest(memory)
    assert first < await fear(memory) < whole


async def test_events_before_a_save_that_were_never_digested_are_digested_after_its_load(memory: Memory) -> None:
    await tell(memory, "The player attacks Hilda.", "hilda", kind="attack", speaker="")
    await memory.save(WORLD, "one")
    await tell(memory, "The player attacks Hilda.", "hilda", kind="attack", speaker="")
    await memory.load(WORLD, "one")
    assert len((await batch(memory)).happened) == 1
    await digest(memory)
    once = await fear(memory)
    await memory.load(WORLD, "one")
    assert await fear(memory) == once
    assert await memory.derived.undigested(WORLD, "hilda", 100) is None


async def test_small_batches_come_to_the_same_as_a_large_one(memory: Memory) -> None:
    for text in ("You fool.", "I promise to bring the ring tomorrow.", "I'm sorry.", "Here is the ring.", "Thank you."):
        await tell(memory, text, "hilda", time=3_600.0)
    while await memory.extract_facts():
        pass
    while (found := await memory.derived.undigested(WORLD, "hilda", 1)) is not None:
        await memory.derived.keep_digest(WORLD, found, fold(found, RULES, ("Hilda",)))
    small = await memory.derived.standpoint(WORLD, "hilda", ["player"])
    await memory.derived.forget(WORLD)
    await digest(memory)
    assert await memory.derived.standpoint(WORLD, "hilda", ["player"]) == small
    assert small.regards[0].trust > 0
    assert [one.state for one in small.agreed] == ["kept"]


async def test_hearsay_moves_nobody(memory: Memory) -> None:
    await tell(memory, "The player attacks Ansel.", "hilda", kind="attack", speaker="corrie", how="told")
    await digest(memory)
    assert await fear(memory) == 0


async def test_a_threat_is_no_promise(memory: Memory) -> None:
    await tell(memory, "I will kill you tomorrow, I swear it.", "hilda", time=3_600.0)
    await digest(memory)
    assert (await memory.derived.standpoint(WORLD, "hilda", [])).agreed == ()


async def test_a_summary_by_rule_says_who_told_what_and_holds_its_length(memory: Memory) -> None:
    await tell(memory, "My name is Finn.", "hilda")
    await tell(memory, "The key is under the third step.", "hilda")
    last = 0
    for number in range(60):
        last = await tell(memory, f"The lantern number {number} is behind the old red barn.", "hilda")
    await batch(memory)
    text = await memory.derived.summary_by_rule(WORLD, "hilda", last)
    assert len(text) <= 700
    assert "Finn" in text
    assert "Ana said:" in text
    assert await memory.derived.summary_by_rule(WORLD, "ansel", last) == ""


async def test_a_models_summary_is_not_replaced_by_the_rules_and_a_load_takes_it_back(memory: Memory) -> None:
    seq = await tell(memory, "Hello.", "hilda")
    await memory.save(WORLD, "one")
    late = await tell(memory, "Goodbye.", "hilda")
    head = await memory.head(WORLD)
    write = memory.derived.write_summary
    await write(WORLD, "hilda", head, 0, Summary(seq, "A guest came.", BY_RULE))
    await write(WORLD, "hilda", head, 0, Summary(late, "A guest came and went.", "lfm2"))
    await write(WORLD, "hilda", head, 0, Summary(late, "By rule.", BY_RULE))
    assert (await memory.derived.summary(WORLD, "hilda")).text == "A guest came and went."
    await memory.load(WORLD, "one")
    assert (await memory.derived.summary(WORLD, "hilda")).text == "A guest came."


async def test_diary_entries_come_newest_first_and_go_with_their_future(memory: Memory) -> None:
    first = await tell(memory, "Hello.", "hilda")
    head = await memory.head(WORLD)
    await memory.derived.write_diary(WORLD, "hilda", head, DiaryEntry(first, 0, None, "Day one."))
    await memory.save(WORLD, "one")
    second = await tell(memory, "Hello.", "hilda")
    await memory.derived.write_diary(WORLD, "hilda", head, DiaryEntry(second, first, None, "Day two."))
    assert [entry.text for entry in await memory.derived.diary(WORLD, "hilda", 5)] == ["Day two.", "Day one."]
    await memory.load(WORLD, "one")
    assert [entry.text for entry in await memory.derived.diary(WORLD, "hilda", 5)] == ["Day one."]


async def test_a_promise_that_two_rules_read_is_made_once(memory: Memory) -> None:
    await tell(memory, "I promise you, I'll bring the silver ring tomorrow.", "hilda", time=0.0)
    found = await batch(memory)
    [promised] = found.happened
    assert sum(fact.kind == "promise" for fact in promised.facts) > 1
    [change] = fold(found, RULES, ("Hilda",)).changes
    assert len(change.agreed) == 1
