from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.bench.memory import dialogues, score, speed
from server.bench.memory.dialogues import Dialogue, read
from server.bench.memory.methods import Told
from server.bench.memory.report import as_json, as_table
from server.bench.memory.run import Found, run
from server.bench.memory.score import by_characters
from server.bench.memory.synthetic import make
from server.cli import main
from server.errors import BarkeepError
from tests.support.embeddings import write_embeddings
from tests.support.tiny_gguf import write_tiny_lfm2

FILE = {
    "dialogues": [
        {
            "id": "d1",
            "turns": [
                {"id": "D1:1", "speaker": "Ana", "text": "I keep bees on the roof.", "time": 1683554000},
                {"id": "D1:2", "speaker": "Bo", "text": "Rain again.", "time": 1683554060},
            ],
            "questions": [{"id": "q1", "text": "What does Ana keep?", "evidence": ["D1:1"], "kind": "single"}],
        }
    ]
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps(FILE))
    return path


def test_a_seed_always_makes_the_same_life() -> None:
    assert make(3, turns=300, each=1) == make(3, turns=300, each=1)
    assert make(3, turns=300, each=1) != make(4, turns=300, each=1)


def test_the_evidence_of_a_life_is_visible_and_holds_its_answer() -> None:
    life = make(1, turns=400, each=2)
    texts = {turn.id: turn.text for turn in life.lived}
    for question in life.questions:
        assert all(question.must_tell in texts[turn] for turn in question.evidence)
    assert {question.kind for question in life.questions} >= {"paraphrase", "time", "two_hop", "changed", "undone"}
    assert len(life.hidden) == 4


async def test_ours_finds_what_the_others_do_not_and_leaks_nothing() -> None:
    found = await run([make(0, each=4)], by_characters, ())
    any_evidence = {row.method: row.any_evidence for row in found.rows if row.budget_tokens == 450}
    assert any_evidence["barkeep"] >= 0.8
    assert any_evidence["newest"] <= 0.3
    assert any_evidence["bm25"] <= 0.6
    assert any_evidence["fts5_porter_neighbours"] <= any_evidence["barkeep"]
    assert sum(row.leaks for row in found.rows) == 0
    assert {row.tokens_mean <= row.budget_tokens for row in found.rows} == {True}


class Blabber:
    """Tells everything there is, hidden or not."""

    name = "blabber"

    async def learn(self, dialogue: Dialogue) -> None:
        self.turns = dialogue.turns

    async def recall(self, question: str) -> list[Told]:
        return [Told(frozenset({turn.id}), turn.text) for turn in self.turns]


async def test_a_method_that_tells_what_it_may_not_is_caught() -> None:
    [*_, row] = await score.measure(Blabber(), [make(0, turns=100, each=1)], (100_000,))
    assert row.leaks > 0
    assert row.any_evidence == 1.0


async def test_what_is_told_must_hold_the_answer() -> None:
    class Hint(Blabber):
        async def recall(self, question: str) -> list[Told]:
            return [Told(frozenset({turn.id}), "something") for turn in self.turns]

    [row] = await score.measure(Hint(), [make(0, turns=100, each=1)], (100_000,))
    assert row.any_evidence == 0.0


async def test_a_dialogue_of_others_is_asked_by_its_own_ids(file: Path) -> None:
    found = await run(read(file), by_characters, ())
    [row] = [row for row in found.rows if (row.method, row.budget_tokens) == ("barkeep", 120)]
    assert (row.any_evidence, row.all_evidence, row.by_kind) == (1.0, 1.0, {"single": 1.0})


@pytest.mark.parametrize("text", ["", "{}", '{"dialogues": []}', '{"dialogues": [{"id": "d", "turns": [{}]}]}'])
def test_a_file_of_something_else_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(BarkeepError, match="does not hold dialogues"):
        read(path)


async def test_worlds_are_timed_as_they_grow() -> None:
    small, small_all, large, large_all = await speed.measure((200, 400), questions=5)
    assert [one.events for one in (small, small_all, large, large_all)] == [200, 200, 400, 400]
    assert [one.witnessed for one in (small, small_all, large, large_all)] == [20, 200, 40, 400]
    assert all(0 < one.recall_ms_p50 <= one.recall_ms_p99 <= one.prompt_ms_p99 for one in (small, large_all))
    assert large.bytes_per_event > 0


def test_the_command_writes_what_it_prints(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert main(["bench", "memory", "--input", str(file), "--json", str(out)]) == 0
    written = json.loads(out.read_text())
    keys = {"method", "budget_tokens", "any_evidence", "all_evidence", "by_kind", "tokens_mean", "ms_p50", "ms_p99"}
    assert all(keys <= row.keys() for row in written["budgets"])
    assert {row["budget_tokens"] for row in written["budgets"]} == {120, 300, 450, 900}
    assert "barkeep" in capsys.readouterr().out


def test_the_report_of_nothing_is_a_report() -> None:
    found = Found(0, 0, (), ())
    assert json.loads(as_json(found)) == {"dialogues": 0, "questions": 0, "budgets": [], "speed": []}
    assert "0 questions" in as_table(found)


def _dialogue(**fields: Any) -> dict[str, Any]:
    question = {"id": "q", "text": "What does Ana keep?", "evidence": ["t1"]}
    turn = {"id": "t1", "speaker": "Ana", "text": "I keep bees on the roof."}
    return {"dialogues": [{"id": "d", "turns": [turn], "questions": [question]} | fields]}


async def _share(tmp_path: Path, content: dict[str, Any]) -> float:
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps(content))
    found = await run(read(path), by_characters, ())
    [row] = [row for row in found.rows if (row.method, row.budget_tokens) == ("barkeep", 450)]
    return row.any_evidence


async def test_times_may_be_missing(tmp_path: Path) -> None:
    turns = [{"id": f"t{at}", "speaker": "Ana", "text": "I keep bees.", "time": at or None} for at in range(3)]
    assert await _share(tmp_path, _dialogue(turns=turns)) == 1.0


@pytest.mark.parametrize("evidence", [[], ["elsewhere"], ["t1; t2"]])
async def test_evidence_that_no_turn_is_counts_as_missed(tmp_path: Path, evidence: list[str]) -> None:
    content = _dialogue(questions=[{"id": "q", "text": "What does Ana keep?", "evidence": evidence}])
    assert await _share(tmp_path, content) == 0.0


async def test_a_dialogue_without_turns_or_questions_is_one(tmp_path: Path) -> None:
    assert await _share(tmp_path, _dialogue(turns=[])) == 0.0
    assert await _share(tmp_path, _dialogue(questions=[])) == 0.0


async def test_two_dialogues_of_one_id_are_two(tmp_path: Path) -> None:
    content = _dialogue()
    content["dialogues"] *= 2
    assert await _share(tmp_path, content) == 1.0


async def test_fields_of_others_change_nothing(tmp_path: Path) -> None:
    question = {"id": 1, "text": "What does Ana keep?", "evidence": [7], "kind": None, "answer": "insects", "x": {}}
    turn = {"id": 7, "speaker": "Ana", "text": "I keep bees.", "image": "http://127.0.0.1/bee.png"}
    assert await _share(tmp_path, _dialogue(turns=[turn], questions=[question])) == 1.0


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"\xff\xfe", "JSON"),
        (b"[" * 5_000, "JSON"),
        (b'{"dialogues": {"0": 1}}', "dialogues"),
        (b'{"dialogues": [{"id": "", "turns": []}]}', "dialogues.0.id"),
        (b'{"dialogues": [{"id": "d", "turns": [{"id": "t", "speaker": "A", "text": []}]}]}', "turns.0.text"),
        (b'{"dialogues": [{"id": "d", "turns": [{"id": "t", "speaker": "A", "text": "", "time": NaN}]}]}', "time"),
        (b'{"dialogues": [{"id": "d", "turns": [{"id": "t", "speaker": "A", "text": "", "time": "May"}]}]}', "time"),
        (
            b'{"dialogues": [{"id": "d", "turns": [], "questions": [{"id": "q", "text": "?", "evidence": "t"}]}]}',
            "evid",
        ),
    ],
)
def test_a_hostile_file_is_refused_with_a_hint(tmp_path: Path, content: bytes, where: str) -> None:
    path = tmp_path / "dialogues.json"
    path.write_bytes(content)
    with pytest.raises(BarkeepError, match=where) as caught:
        read(path)
    assert caught.value.hint


def test_a_file_that_is_not_there_and_one_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BarkeepError, match="cannot be read"):
        read(tmp_path / "nowhere.json")
    monkeypatch.setattr(dialogues, "MAX_BYTES", 10)
    (tmp_path / "large.json").write_text(json.dumps(FILE))
    with pytest.raises(BarkeepError, match="larger"):
        read(tmp_path / "large.json")


def test_the_command_tells_of_questions_that_nothing_can_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dialogues.json"
    path.write_text(json.dumps(_dialogue(questions=[{"id": "q", "text": "What?", "evidence": ["t9"]}])))
    assert main(["bench", "memory", "--input", str(path)]) == 0
    assert "1 questions have no evidence" in capsys.readouterr().err


@pytest.mark.engine
def test_the_command_counts_with_a_model_and_recalls_by_meaning(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocab = write_tiny_lfm2(tmp_path / "tiny.gguf")
    folder = write_embeddings(tmp_path / "embeddings")
    out = tmp_path / "out.json"
    command = ["bench", "memory", "--input", str(file), "--json", str(out)]
    assert main([*command, "--vocab", str(vocab), "--embeddings", str(folder)]) == 0
    counted = json.loads(out.read_text())["budgets"][0]["tokens_mean"]
    assert main(command) == 0
    assert counted != json.loads(out.read_text())["budgets"][0]["tokens_mean"]
    capsys.readouterr()
