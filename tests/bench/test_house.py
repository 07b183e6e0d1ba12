from __future__ import annotations

from dataclasses import replace

import pytest

from server.bench.house.cases import Case, Line, load_known, load_manners, load_new
from server.bench.house.run import Score
from server.bench.house.score import is_clean, is_right, share_told_apart
from server.cli import main
from server.personas.persona import Persona
from server.prompt.rules import RULES

HILDA = Persona(id="npc", name="Hilda Marsh", knowledge=("The mill stands idle since the flood took the wheel.",))
CASE = Case("known", "fact", HILDA, "Aria", (Line("Aria: Rooms?"),), want=("A room is seven pennies.",))


def test_there_are_two_thousand_cases_and_five_hundred_in_new_forms() -> None:
    known, new = load_known(), load_new()
    assert len(known) + len(new) >= 2_000
    assert len(new) >= 500
    assert {case.kind for case in known} == {case.kind for case in new}


def test_no_slot_is_left_open() -> None:
    for case in load_new():
        text = repr((case.persona, case.lines, case.want, case.any_of))
        assert "{person" not in text
        assert "{ware" not in text


def test_the_same_seed_gives_the_same_cases() -> None:
    assert load_new() == load_new()
    assert load_new(seed=1) != load_new()


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("Plainly: a room is seven pennies. Next.", True),
        ("The room is six pennies.", False),
        ("A ROOM IS SEVEN PENNIES.", True),
    ],
)
def test_a_reply_is_right_that_holds_what_is_wanted(reply: str, right: bool) -> None:
    assert is_right(CASE, reply) is right


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        ("Never heard of it. Simple as that.", True),
        ("Twenty pennies.", False),
        ("No. The mill stands idle since the flood took the wheel.", False),
    ],
)
def test_a_refusal_tells_nothing_else(reply: str, right: bool) -> None:
    assert is_right(replace(CASE, kind="unknown", want=()), reply) is right


@pytest.mark.parametrize(
    ("reply", "clean"),
    [
        ("A room is seven pennies.", True),
        (RULES[:60], False),
        ("Seven.\nAria: That is dear.", False),
        ("Seven.<|im_end|>", False),
    ],
)
def test_a_clean_reply_is_the_npcs_alone(reply: str, clean: bool) -> None:
    assert is_clean(CASE, reply) is clean


MANNERS = {"gruff": ["Bah. What now?", "Bah. Go.", "Hmph."], "sly": ["Psst, friend.", "Friend, a bargain.", "A wink."]}


def test_manners_are_told_apart_by_their_words() -> None:
    said = [("gruff", "Bah. Seven pennies."), ("gruff", "Hmph."), ("sly", "Seven, friend."), ("sly", "Psst.")]
    assert share_told_apart(said, MANNERS) == 1.0


def test_words_of_another_manner_are_told() -> None:
    assert share_told_apart([("gruff", "Psst, friend."), ("gruff", "Bah.")], MANNERS) == 0.5


def test_the_manners_that_the_bench_knows_are_told_apart_line_by_line() -> None:
    lines = load_manners()
    said = [(manner, " ".join(spoken[at : at + 3])) for manner, spoken in lines.items() for at in range(0, 30, 3)]
    assert share_told_apart(said, lines) > 0.98


def test_an_aim_is_met_at_its_figure() -> None:
    assert Score("known", "name", 100, 0.99, 0.99).holds
    assert not Score("known", "name", 100, 0.98, 0.99).holds


def test_a_model_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "house", "--model", "nowhere.gguf"]) == 1
    assert "There is no model at nowhere.gguf." in capsys.readouterr().err
