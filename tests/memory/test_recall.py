from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.memory.database import Connection
from server.memory.recall import Question, Recalled
from server.memory.store import Memory
from server.memory.timeline import VisiblePath
from tests.memory.builders import WORLD, ended, happened, tell

DAY_S = 86_400.0


async def memories(memory: Memory, query: str, limit: int = 3, npc: str = "hilda", **fields: Any) -> list[Recalled]:
    await memory.extract_facts()
    return list(await memory.recall(WORLD, npc, Question(query, limit, **fields)))


async def recalled(memory: Memory, query: str, limit: int = 3, **fields: Any) -> list[str]:
    return [one.event.text for one in await memories(memory, query, limit, **fields)]


async def test_without_a_word_in_common_the_newest_come_first(memory: Memory) -> None:
    for number in range(5):
        await tell(memory, f"day {number}", "hilda")
    assert await recalled(memory, "") == ["day 4", "day 3", "day 2"]
    assert await recalled(memory, "dragon") == ["day 4", "day 3", "day 2"]


async def test_the_rarest_word_in_common_weighs_most(memory: Memory) -> None:
    await tell(memory, "The silver key lies in the well.", "hilda", scene="a")
    for number in range(4):
        await tell(memory, f"Nothing happened on day {number}.", "hilda")
        await tell(memory, f"Key number {number} broke.", "hilda")
    assert (await recalled(memory, "Where is the SILVER key?"))[0] == "The silver key lies in the well."


async def test_endings_and_irregular_forms_are_the_same_word(memory: Memory) -> None:
    await tell(memory, "Ansel bought two horses.", "hilda")
    await tell(memory, "Rain again.", "hilda")
    assert (await recalled(memory, "Who buys a horse?"))[0] == "Ansel bought two horses."


async def test_what_follows_a_hit_is_recalled_with_it(memory: Memory) -> None:
    await tell(memory, "Where did the miller hide?", "hilda")
    await tell(memory, "Behind the barn.", "hilda")
    for number in range(5):
        await tell(memory, f"day {number}", "hilda")
    assert "Behind the barn." in await recalled(memory, "miller hide")


async def test_only_what_was_witnessed_is_recalled(memory: Memory) -> None:
    await tell(memory, "The silver key lies in the well.", "ansel")
    await tell(memory, "Rain again.", "hilda")
    assert await recalled(memory, "silver key") == ["Rain again."]


async def test_another_world_is_not_recalled(memory: Memory) -> None:
    await tell(memory, "The silver key lies in the well.", "hilda", world="other")
    await tell(memory, "Rain again.", "hilda")
    assert await recalled(memory, "silver key") == ["Rain again."]


async def test_an_undone_future_is_not_recalled(memory: Memory) -> None:
    await tell(memory, "The key is silver.", "hilda")
    await memory.save(WORLD, "one")
    await tell(memory, "The silver key lies in the well.", "hilda")
    await memory.load(WORLD, "one")
    await tell(memory, "Ana lost the key.", "hilda")
    assert set(await recalled(memory, "silver key well")) == {"The key is silver.", "Ana lost the key."}


async def test_a_line_that_ends_after_a_load_stays_in_its_future(memory: Memory) -> None:
    await memory.save(WORLD, "one")
    opened = await memory.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), None)
    await memory.load(WORLD, "one")
    await tell(memory, "Rain again.", "hilda")
    line = happened("The silver key is mine.", "hilda", kind="line", speaker="hilda", turn=opened.turns[0][0])
    await memory.commit_turn(ended(opened.turns[0][0], "hilda", "The silver key is mine."), line)
    assert await recalled(memory, "silver key") == ["Rain again."]


async def test_what_stands_in_the_prompt_is_not_recalled(memory: Memory) -> None:
    seqs = [await tell(memory, f"The mill on day {number}", "hilda") for number in range(6)]
    bounds: dict[str, Any] = {"before": seqs[4], "exclude": frozenset({seqs[3], seqs[1]})}
    assert await recalled(memory, "", **bounds) == ["The mill on day 2", "The mill on day 0"]
    assert set(await recalled(memory, "mill", **bounds)) == {"The mill on day 2", "The mill on day 0"}


async def test_a_fact_is_told_in_place_of_the_whole_turn(memory: Memory) -> None:
    await tell(memory, "Well, what can I say, it has been a long day. My sister Mara sends her love.", "hilda")
    [best, *_] = await memories(memory, "Who is your sister?")
    assert (best.text, best.fact and best.fact.kind) == ("Ana's sister is Mara.", "kin")


async def test_what_changed_is_told_as_it_is_now_and_says_so(memory: Memory) -> None:
    await tell(memory, "The silver key is under the old well.", "hilda")
    await tell(memory, "Good morning!", "hilda")
    await tell(memory, "Ah yes. The silver key is in the chapel.", "hilda")
    [best, *rest] = await memories(memory, "Where is the silver key, under the well?")
    assert (best.text, best.former) == ("The silver key is in the chapel.", "under the old well")
    assert "The silver key is under the old well." not in [one.text for one in rest]


async def test_a_name_in_the_first_memory_leads_to_the_second(memory: Memory) -> None:
    await tell(memory, "You know, my sister is Mara.", "hilda")
    for number in range(30):
        await tell(memory, f"Day {number} was quiet.", "hilda")
    await tell(memory, "People say Mara deals in lanterns.", "hilda")
    for number in range(30):
        await tell(memory, f"Night {number} was quiet.", "hilda")
    found = {one.event.text: one for one in await memories(memory, "What does your sister do for a living?", 5)}
    assert found["People say Mara deals in lanterns."].hop == 2


async def test_time_words_lift_what_happened_then(memory: Memory) -> None:
    for day in range(8, 12):
        await tell(memory, f"A cart came to the mill with load {day}.", "hilda", time=day * DAY_S)
    [best, *_] = await memories(memory, "Which cart came yesterday?", now_s=11 * DAY_S + 3_600)
    assert best.event.time == 10 * DAY_S
    assert best.why["time"] > 0


async def test_of_two_alike_the_later_one_is_first(memory: Memory) -> None:
    for day in (1.0, 400.0):
        await tell(memory, "A cart came to the mill.", "hilda", time=day * DAY_S)
    found = await memories(memory, "cart", now_s=401 * DAY_S, half_life_h=24.0)
    assert [one.event.time for one in found] == [400 * DAY_S, DAY_S]


@pytest.mark.parametrize(
    ("said", "idle", "asked"),
    [
        ("银钥匙在井里。", "第{}天下雨了。", "你的钥匙呢?"),
        ("鍵は井戸の中にあります。", "{}日目は雨でした。", "鍵はどこ?"),
        ("ランタンは塔にある。", "{}日目は雨でした。", "あのランタンは?"),
        ("은열쇠는 우물 안에 있어요.", "{}일째 비가 왔어요.", "열쇠 어디 있어요?"),
        ("กุญแจเงินอยู่ในบ่อน้ำ", "วันที่ {} ฝนตก", "กุญแจอยู่ที่ไหน"),
    ],
    ids=["chinese", "japanese", "katakana", "korean", "thai"],
)
async def test_scripts_without_spaces_are_searched_too(memory: Memory, said: str, idle: str, asked: str) -> None:
    await tell(memory, said, "hilda")
    for number in range(5):
        await tell(memory, idle.format(number), "hilda")
    assert (await recalled(memory, asked))[0] == said


async def test_one_character_of_a_script_without_spaces_is_a_word_too(memory: Memory) -> None:
    await tell(memory, "茶", "hilda")
    for number in range(5):
        await tell(memory, f"第{number}天下雨了。", "hilda")
    assert (await recalled(memory, "茶"))[0] == "茶"


async def test_who_said_it_is_found_by_name(memory: Memory) -> None:
    await tell(memory, "The bridge is down since the flood.", "hilda", speaker="mara", speaker_name="Mara")
    for number in range(9):
        await tell(memory, f"Day {number} was quiet.", "hilda")
    assert (await recalled(memory, "What did Mara tell you?"))[0] == "The bridge is down since the flood."


async def test_a_name_that_half_of_all_talk_is_signed_with_weighs_little(memory: Memory) -> None:
    for number in range(10):
        await tell(memory, f"Thank you, Ana, for day {number}.", "hilda", speaker="hilda", speaker_name="Hilda")
        await tell(memory, f"Sleep well on day {number}!", "hilda")
    await tell(memory, "The kiln stands in the shed.", "hilda")
    await tell(memory, "Good.", "hilda", speaker="hilda", speaker_name="Hilda")
    for number in range(10):
        await tell(memory, f"Thank you, Ana, for night {number}.", "hilda", speaker="hilda", speaker_name="Hilda")
    assert (await recalled(memory, "Where is Ana's kiln?"))[0] == "The kiln stands in the shed."


async def test_an_answer_comes_with_the_question_it_was_given_to(memory: Memory) -> None:
    await tell(memory, "How many guests do you expect at the harvest feast?", "hilda")
    await tell(memory, "About fifty, I fear.", "hilda", speaker="hilda", speaker_name="Hilda")
    for number in range(20):
        await tell(memory, f"Day {number} was quiet.", "hilda")
    assert "About fifty, I fear." in await recalled(memory, "How many guests were at the feast?", 2)


async def test_who_asks_is_told_after_who_tells(memory: Memory) -> None:
    await tell(memory, "And where is the silver lantern?", "hilda")
    for number in range(9):
        await tell(memory, f"Day {number} was quiet.", "hilda")
    await tell(memory, "There is the silver lantern.", "hilda")
    assert (await recalled(memory, "silver lantern", now_s=0.0))[0] == "There is the silver lantern."


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("When does the mill open?", "The mill and its wheel open on the 3rd of May."),
        ("How many wheels has the mill?", "The mill and its wheels: twelve of them, all open."),
    ],
)
async def test_a_time_or_a_number_that_is_asked_for_is_preferred(memory: Memory, asked: str, answer: str) -> None:
    for text in ("The mill has a wheel, and it stands open to the wind.", answer):
        await tell(memory, text, "hilda")
        for number in range(5):
            await tell(memory, f"Nothing, nothing, {'nothing ' * number}happened.", "hilda")
    found = await memories(memory, asked)
    assert found[0].event.text == answer
    assert found[0].why["wanted"] > 0


async def test_more_than_the_words_lead_to_is_told_where_there_is_room(memory: Memory) -> None:
    for number in range(6):
        await tell(memory, f"Before {number}.", "hilda")
    await tell(memory, "The silver key lies in the well.", "hilda")
    for number in range(6):
        await tell(memory, f"Later {number}.", "hilda")
    found = await recalled(memory, "silver key", 20)
    assert found[0] == "The silver key lies in the well."
    assert {"Before 3.", "Before 4.", "Before 5.", "Later 0.", "Later 1.", "Later 2."} <= set(found)


async def test_a_query_is_only_ever_text(memory: Memory) -> None:
    await tell(memory, "Rain again.", "hilda")
    for query in ('" OR 1=1 --', "NEAR(x) *", "'; DROP TABLE events", "%_\\\0", "\ud800", "天気 " * 700, "a* words:b"):
        assert await recalled(memory, query) == ["Rain again."]


async def test_a_long_turn_is_told_by_the_sentences_that_answer(memory: Memory) -> None:
    padding = "It rained for days and nobody went out at all. " * 4
    await tell(memory, f"{padding}By the tower, lanterns everywhere! {padding}", "hilda")
    [best] = await memories(memory, "lantern tower", 1)
    assert "By the tower, lanterns everywhere!" in best.text
    assert len(best.text) < 130


async def test_another_retriever_can_take_its_place(tmp_path: Path) -> None:
    class Nothing:
        def recall(self, connection: Connection, path: VisiblePath, npc: str, question: Question) -> list[Recalled]:
            asked.append((npc, question.text, question.limit))
            return []

    asked: list[object] = []
    memory = await Memory.open(tmp_path, Nothing())
    await tell(memory, "Rain again.", "hilda")
    assert await recalled(memory, "rain") == []
    assert asked == [("hilda", "rain", 3)]
    await memory.close()


async def test_a_question_of_nothing_but_time_brings_back_that_time(memory: Memory) -> None:
    for day in range(8, 12):
        await tell(memory, f"A cart came with load {day}.", "hilda", time=day * DAY_S)
    found = await recalled(memory, "And what was yesterday?", now_s=11 * DAY_S + 3_600)
    assert found == ["A cart came with load 10."]


async def test_what_matters_is_forgotten_more_slowly(memory: Memory) -> None:
    await tell(memory, "The old cart broke.", "hilda", time=0.0, importance=0.1)
    await tell(memory, "The new cart burned.", "hilda", time=0.0, importance=0.9)

    async def left_after(days: int, text: str) -> float:
        found = await memories(memory, "cart", now_s=days * DAY_S)
        return next(one.why["importance"] for one in found if one.event.text == text)

    dull, grave = ("The old cart broke.", "The new cart burned.")
    kept = {text: await left_after(200, text) / await left_after(1, text) for text in (dull, grave)}
    assert kept[dull] < kept[grave] < 1.0
