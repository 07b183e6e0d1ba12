from dataclasses import replace

import pytest

from server.errors import BudgetError
from server.prompt.build import build, build_warm, core_tokens
from server.prompt.context import HistoryEntry, Item, PromptLimits
from server.prompt.rules import RULES
from server.prompt.tokens import EstimatedTokenizer, count_segments
from server.text.segments import Close, Open, Text
from tests.support.prompts import BYTES, LIMITS, TalliedTokenizer, context, entry, persona, shape, texts

ESTIMATE = EstimatedTokenizer()


def test_the_parts_follow_each_other_as_chatml() -> None:
    built = build(context(history=(entry(0), HistoryEntry(("Aria: Hm.\n",), None))), LIMITS, ESTIMATE)
    assert [part.name for part in built.prompt.parts] == ["rules", "persona", "facts", "history", "turn"]
    assert shape(built.prompt) == "s.u.a.u.u.a"
    assert built.prompt.segments[0] == Open("system")
    assert built.prompt.parts[2].segments[-1] == Close()
    assert built.prompt.segments[-1] == Open("assistant")


def test_rules_come_first_and_are_the_same_for_everyone() -> None:
    one = build(context(), LIMITS, ESTIMATE).prompt.parts[0]
    other = build(context(persona=persona(name="Ansel", core="You drink.")), LIMITS, ESTIMATE).prompt.parts[0]
    assert one == other
    assert one.segments == (Open("system"), Text(f"{RULES}\n"))


def test_a_turn_reads_scene_events_memories_line_memories_lore_others_cue() -> None:
    built = build(
        context(
            facts=("Aria owes you four coppers.",),
            scene=("Place: the inn.",),
            events=("Ansel: Evening.",),
            warm_memories=(Item("1", "Aria paid late."),),
            memories=(Item("2", "Aria hates rain."),),
            lore=(Item("inn", "The inn is old."),),
            others=("Ansel: Not for you.",),
            cue="Be brief.",
        ),
        LIMITS,
        ESTIMATE,
    )
    assert texts(built.prompt, "facts") == ["[You remember: Aria owes you four coppers.]\n"]
    assert built.written == (
        "[Place: the inn.]\n",
        "Ansel: Evening.\n",
        "[You remember: Aria paid late.]\n",
        "Aria: Rooms?\n",
        "[You remember: Aria hates rain.]\n",
        "[You know: The inn is old.]\n",
        "Ansel: Not for you.\n",
        "[Be brief.]\n",
    )
    assert texts(built.prompt, "turn") == list(built.written)
    assert built.kept_keys == {"1", "2", "inn"}
    assert [block.name for block in built.blocks] == [
        "rules",
        "persona",
        "knowledge",
        "goals",
        "relations",
        "examples",
        "facts",
        "scene",
        "events",
        "memories",
        "line",
        "lore",
        "others",
        "cue",
        "frame",
    ]


def test_the_report_counts_every_token() -> None:
    built = build(context(history=tuple(map(entry, range(5)))), LIMITS, BYTES)
    assert built.tokens == 1 + count_segments(built.prompt.segments, BYTES)
    assert sum(block.tokens for block in built.blocks) == built.tokens


def test_persona_details_take_at_most_half_of_the_prompt() -> None:
    known = tuple(f"Fact number {number} about the town and its mill." for number in range(128))
    built = build(context(persona=persona(knowledge=known)), LIMITS, BYTES)
    static = count_segments((*built.prompt.parts[0].segments, *built.prompt.parts[1].segments), BYTES)
    assert 1 + static <= LIMITS.prompt_tokens // 2 < 1 + static + 60
    knowledge = next(block for block in built.blocks if block.name == "knowledge")
    assert knowledge.dropped > 0


def test_persona_details_do_not_depend_on_the_turn() -> None:
    known = tuple(f"Fact number {number} about the town and its mill." for number in range(128))
    plain = context(persona=persona(knowledge=known))
    busy = context(
        persona=persona(knowledge=known), line="Aria: " + "so " * 80, cue="Be brief.", facts=("Aria is late.",) * 40
    )
    for tokenizer in (BYTES, ESTIMATE):
        assert build(plain, LIMITS, tokenizer).prompt.parts[:2] == build(busy, LIMITS, tokenizer).prompt.parts[:2]


def test_facts_take_at_most_a_tenth() -> None:
    facts = tuple(f"Fact {number}." for number in range(100))
    built = build(context(facts=facts), LIMITS, BYTES)
    row = next(block for block in built.blocks if block.name == "facts")
    assert row.tokens <= LIMITS.prompt_tokens // 10
    assert texts(built.prompt, "facts")[0] == "[You remember: Fact 0.]\n"
    assert row.dropped > 0


def test_a_summary_too_long_does_not_keep_out_a_fact() -> None:
    built = build(context(facts=("Long ago. " * 100, "Aria is late.")), LIMITS, BYTES)
    assert texts(built.prompt, "facts") == ["[You remember: Aria is late.]\n"]


@pytest.mark.parametrize("new_tokens", [64, 192, 1_000])
def test_the_turn_adds_at_most_its_share_beside_the_line(new_tokens: int) -> None:
    limits = PromptLimits(4_096, new_tokens, 120)
    crowded = context(
        scene=("Place: the inn.",) * 30,
        events=("Ansel: Evening, all of you.",) * 30,
        memories=tuple(Item(str(number), "Aria paid late.") for number in range(30)),
        others=("Berta: No.",) * 10,
    )
    built = build(crowded, limits, BYTES)
    added = count_segments(built.prompt.parts[4].segments, BYTES) - len("Aria: Rooms?\n")
    assert new_tokens - 60 <= added <= new_tokens


def test_a_generous_turn_share_leaves_history_its_room() -> None:
    built = build(context(history=tuple(map(entry, range(10)))), PromptLimits(4_096, 4_000, 4_000), ESTIMATE)
    assert built.kept_history == 10


def test_history_gives_way_in_one_step_and_the_rest_stays() -> None:
    history = tuple(entry(number, length=100) for number in range(40))
    built = build(context(history=history, facts=("Aria is late.",), scene=("It rains.",)), LIMITS, BYTES)
    assert 0 < built.kept_history < 40
    assert texts(built.prompt, "history")[-2:] == [history[-1].written[0], "Reply 39."]
    dropped = {block.name: block.dropped for block in built.blocks if block.dropped}
    assert set(dropped) == {"history"}


def test_a_line_longer_than_its_share_is_whole_and_history_gives_way() -> None:
    line = "Aria: " + "so " * 500 + "there"
    history = tuple(entry(number, length=100) for number in range(10))
    built = build(context(line=line, history=history), LIMITS, BYTES)
    assert f"{line}\n" in built.written
    assert built.tokens <= LIMITS.prompt_tokens


def test_a_cue_longer_than_the_turns_share_is_whole() -> None:
    cue = "Tell " + "more " * 200 + "now."
    history = tuple(entry(number, length=100) for number in range(20))
    built = build(context(line="", cue=cue, scene=("It rains.",), history=history), LIMITS, BYTES)
    assert built.written == (f"[{cue}]\n",)
    assert built.kept_history < build(context(history=history), LIMITS, BYTES).kept_history
    assert built.tokens <= LIMITS.prompt_tokens


def test_an_outsized_line_pushes_persona_details_out_before_it_fails() -> None:
    known = tuple(f"Fact number {number} about the town and its mill." for number in range(128))
    line = "Aria: " + "so " * 900 + "there"
    built = build(context(persona=persona(knowledge=known), line=line), LIMITS, BYTES)
    assert f"{line}\n" in built.written
    assert built.tokens <= LIMITS.prompt_tokens


def test_a_line_that_cannot_fit_is_an_error_that_says_so() -> None:
    with pytest.raises(BudgetError, match="limit is 4096") as caught:
        build(context(line="Aria: " + "so " * 2_000), LIMITS, BYTES)
    assert "line" in caught.value.hint


def test_a_persona_that_cannot_fit_is_an_error_that_says_so() -> None:
    large = persona(core="You count. " * 350)
    with pytest.raises(BudgetError) as caught:
        build(context(persona=large), LIMITS, BYTES)
    assert "persona" in caught.value.hint
    with pytest.raises(BudgetError):
        build_warm(context(persona=large), PromptLimits(4_000, 192, 120), BYTES)


def test_core_tokens_are_what_a_bare_prompt_holds_before_its_turn() -> None:
    bare = persona(knowledge=(), goals=(), relations={}, examples=())
    built = build(context(persona=bare), LIMITS, BYTES)
    before = [segment for part in built.prompt.parts[:3] for segment in part.segments]
    assert core_tokens(bare, BYTES) == 1 + count_segments(before, BYTES)
    assert core_tokens(persona(), BYTES) == core_tokens(bare, BYTES)


def test_a_warmed_prompt_ends_where_the_line_will_begin() -> None:
    found = context(
        scene=("It rains.",), history=(entry(0),), memories=(Item("1", "Aria paid late."),), cue="Be brief."
    )
    warm = build_warm(replace(found, line=""), LIMITS, ESTIMATE)
    assert shape(warm) == "s.u.a.u"
    assert warm.segments[-1] == Text("[It rains.]\n")
    built = build(found, LIMITS, ESTIMATE).prompt
    assert built.segments[: len(warm.segments)] == warm.segments


def test_what_the_player_has_said_so_far_is_read_without_its_unfinished_word() -> None:
    for line, said in (("Aria: Any roo", "Aria: Any"), ("Aria: A", "Aria:"), ("Aria: ", ""), ("", "")):
        warm = build_warm(context(line=line), LIMITS, ESTIMATE)
        assert [segment.text for segment in warm.segments[-1:] if isinstance(segment, Text)] == ([said] if said else [])


def test_no_text_is_counted_twice() -> None:
    tally = TalliedTokenizer()
    found = context(
        facts=("Aria is late.",),
        scene=("It rains.",),
        events=tuple(f"Ansel: {number}" for number in range(9)),
        memories=(Item("1", "Aria paid late."),),
        lore=(Item("inn", "The inn is old."),),
        history=tuple(map(entry, range(60))),
        others=("Berta: No.",),
        cue="Be brief.",
    )
    built = build(found, LIMITS, tally)
    frame = {"system\n", "user\n", "assistant\n", "\n"}
    assert {text for text, times in tally.counted.items() if times > 1} <= frame
    assert set(texts(built.prompt)) <= set(tally.counted)
