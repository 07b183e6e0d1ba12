from __future__ import annotations

from dataclasses import replace

import pytest

from server.config import BlockName, BlockSettings
from server.prompt.build import build
from server.prompt.context import BuiltPrompt, Item, TurnContext
from server.prompt.shares import Share, Shares
from tests.support.prompts import BYTES, LIMITS, context, entry, persona

FULL = context(
    facts=tuple(f"Fact number {number} about the flood." for number in range(20)),
    scene=tuple(f"Something of the scene, number {number}." for number in range(9)),
    events=tuple(f"Ansel: Eel number {number}." for number in range(9)),
    memories=tuple(Item(f"m{number}", f"A memory, number {number}.") for number in range(9)),
    lore=tuple(Item(f"l{number}", f"A thing known, number {number}.") for number in range(9)),
    others=tuple(f"Corrie: Answer number {number}." for number in range(9)),
)


def built(found: TurnContext = FULL, new_tokens: int = 600, **blocks: BlockSettings) -> BuiltPrompt:
    shares = Shares().under(dict(blocks))  # type: ignore[arg-type]  # names of blocks
    return build(found, replace(LIMITS, new_tokens=new_tokens, recall_tokens=300, shares=shares), BYTES)


def tokens(prompt: BuiltPrompt) -> dict[str, int]:
    return {block.name: block.tokens for block in prompt.blocks}


def why(prompt: BuiltPrompt) -> dict[str, str]:
    return {block.name: block.why for block in prompt.blocks if block.dropped}


def test_a_share_bounds_its_block_and_leaves_the_room_to_others() -> None:
    less = tokens(built(others=BlockSettings(share=0.1)))
    assert less["others"] <= 60
    assert less["events"] > tokens(built()).get("events", 0)


def test_what_a_block_has_at_least_is_kept_for_it() -> None:
    assert tokens(built()).get("memories", 0) == 0
    assert tokens(built(memories=BlockSettings(min_tokens=120)))["memories"] > 60


def test_priority_decides_who_chooses_first() -> None:
    alone = replace(FULL, others=(), cue="")
    scene_first = tokens(built(alone, 100))
    events_first = tokens(built(alone, 100, events=BlockSettings(priority=90)))
    assert events_first["events"] > scene_first.get("events", 0)
    lore_first = tokens(built(replace(FULL, others=(), scene=(), events=()), lore=BlockSettings(priority=90)))
    assert lore_first["lore"] > lore_first.get("memories", 0)


def test_others_that_come_last_leave_the_room_before_the_line_alone() -> None:
    last = tokens(built(others=BlockSettings(priority=0)))
    without = tokens(built(replace(FULL, others=())))
    assert last["scene"] == without["scene"]


@pytest.mark.parametrize("name", ["persona", "facts", "history"])
def test_parts_1_to_4_have_shares_of_the_whole(name: BlockName) -> None:
    found = replace(FULL, history=tuple(entry(number, length=200) for number in range(30)))
    limited = tokens(built(found, **{name: BlockSettings(share=0.05)}))
    assert limited.get("knowledge" if name == "persona" else name, 0) <= 0.05 * LIMITS.prompt_tokens


def test_history_keeps_what_it_has_at_least_from_facts() -> None:
    found = replace(FULL, history=tuple(entry(number, length=200) for number in range(30)))
    most = LIMITS.prompt_tokens
    kept = tokens(built(found, facts=BlockSettings(share=0.9), history=BlockSettings(min_tokens=1_000)))
    assert kept["history"] > 700
    assert kept["facts"] < most - 1_000


def test_a_persona_goes_before_the_configuration() -> None:
    own = persona(budget={"facts": {"share": 0.0}})
    assert tokens(built(replace(FULL, persona=own), facts=BlockSettings(share=0.5))).get("facts", 0) == 0


def test_only_what_is_said_differs() -> None:
    assert Shares().under({"scene": BlockSettings(priority=3)}).scene == Share(1.0, 0, 3)


def test_each_row_says_why_it_lost_something() -> None:
    assert why(built())["events"] == "turn"
    assert why(built())["facts"] == "share"
    assert why(built(events=BlockSettings(share=0.0), others=BlockSettings(share=0.1)))["events"] == "share"
    slow = build(FULL, replace(LIMITS, time_tokens=60), BYTES)
    assert why(slow)["scene"] == "time"
    narrow = replace(LIMITS, prompt_tokens=1_500)
    long_talk = replace(FULL, facts=(), history=tuple(entry(number, length=90) for number in range(12)))
    assert why(build(long_talk, narrow, BYTES))["history"] == "prompt"
