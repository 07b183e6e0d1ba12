from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.prompt.rules import RULES
from server.text.segments import Close, Open, Text
from training.corpus import as_text, document, make_talk
from training.lexicon import Lexicon, is_kept_out, load_yaml
from training.manners import MANNERS
from training.patterns import past, sides
from training.wide import WideLexicon

ROOT = Path(__file__).resolve().parents[2]


def test_the_same_number_gives_the_same_talk() -> None:
    assert [as_text(document(1, number)) for number in range(5)] == [
        as_text(document(1, number)) for number in range(5)
    ]


def test_other_seeds_and_numbers_give_other_talks() -> None:
    assert len({as_text(document(seed, number)) for seed in (1, 2) for number in range(5)}) == 10


@pytest.mark.parametrize("number", range(20))
def test_a_talk_has_the_layout_of_a_prompt(number: int) -> None:
    segments = [piece.segment for piece in document(3, number)]
    assert segments[0] == Open("system")
    assert (segments[1] == Text(f"{RULES}\n")) is (number % 3 == 0)  # a third is enough to learn them
    roles = [segment.role for segment in segments if isinstance(segment, Open)]
    assert roles == ["system", *["user", "assistant"] * ((len(roles) - 1) // 2)]
    assert isinstance(segments[-1], Close)
    assert roles.count("assistant") >= 1


@pytest.mark.parametrize("number", range(20))
def test_what_is_learnt_is_what_the_npc_says_and_its_end(number: int) -> None:
    talk, pieces = make_talk(4, number), document(4, number)
    whole = [turn.reply for turn in talk.turns if turn.cut is None or turn is talk.turns[-1]]
    learnt = [piece.segment for piece in pieces if piece.learnt]
    assert [segment.text for segment in learnt if isinstance(segment, Text)] == whole
    assert sum(isinstance(segment, Close) for segment in learnt) == len(whole)


def test_names_of_the_corpus_and_of_the_evaluation_are_others() -> None:
    ours, theirs = Lexicon(random.Random(1)), Lexicon(random.Random(1), held_out=True)
    assert not any(is_kept_out(ours.name()) for _ in range(300))
    assert all(is_kept_out(theirs.name()) for _ in range(300))


def test_a_word_that_is_kept_out_is_never_drawn() -> None:
    lexicon = Lexicon(random.Random(1))
    assert not any(is_kept_out(lexicon.word("things")) for _ in range(500))


def test_a_wide_word_is_often_of_no_list_and_never_kept_out() -> None:
    plain, wide = Lexicon(random.Random(1)), WideLexicon(random.Random(1))
    listed = {plain.word("fears") for _ in range(2_000)}
    drawn = [wide.word("fears") for _ in range(500)]
    assert 100 < sum(word not in listed for word in drawn) < 400
    names = [wide.name() for _ in range(300)]
    assert all(name[0].isupper() and not is_kept_out(name) for name in names)
    assert len(set(names)) > 250


def test_each_course_has_talks_of_its_own() -> None:
    drill, talk, wide = (as_text(document(1, 3, course=course)) for course in ("drill", "talk", "wide"))
    assert len({drill, talk, wide}) == 3
    assert RULES not in drill
    assert RULES in talk
    assert RULES in wide


def test_nothing_here_reads_the_other_half_of_the_evaluation() -> None:
    for path in (ROOT / "training").glob("*.py"):
        code = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert "heldout.yaml" not in code
        assert "server.bench.house" not in code


def test_no_question_of_the_evaluation_stands_in_the_corpus() -> None:
    corpus = {
        _plain(phrase)
        for name in ("facts", "phrases", "manners")
        for line in _lines(load_yaml(ROOT / "training" / f"{name}.yaml"))
        for phrase in line.split("|")
    }
    asked = {_plain(line) for line in _lines(_asked(load_yaml(ROOT / "server/bench/house/heldout.yaml")))}
    assert len(asked) > 100
    assert not {phrase for phrase in asked & corpus if len(phrase.split()) > 2}


def _asked(part: Any) -> Iterator[Any]:
    """What is said by players, games and descriptions of manners."""
    match part:
        case dict():
            yield from (part[key] for key in ("ask", "say", "cue", "manners") if key in part)
            yield from (found for each in part.values() for found in _asked(each))
        case list():
            yield from (found for each in part for found in _asked(each))


def _lines(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from _lines(part.values())
    elif isinstance(part, Iterable):
        yield from (line for each in part for line in _lines(each))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z{}]+", " ", re.sub(r"\{\w+\}", "{}", text.lower())).strip()


def test_every_manner_says_something_on_every_occasion() -> None:
    kinds = set(MANNERS["gruff"])
    for name, manner in MANNERS.items():
        assert set(manner) == kinds, name
        assert all(manner[kind] for kind in kinds), name
        assert all(any("{p}" not in line for line in manner[kind]) for kind in kinds), name


@pytest.mark.parametrize(
    ("pattern", "file", "mouth"),
    [
        ("[Your|My] house stands by a oak.", "Your house stands by an oak.", "My house stands by an oak."),
        ("[You are|I am] ten.", "You are ten.", "I am ten."),
        ("The mill is shut.", "The mill is shut.", "The mill is shut."),
    ],
)
def test_a_fact_is_told_from_the_other_side(pattern: str, file: str, mouth: str) -> None:
    assert sides(pattern) == (file, mouth)


@pytest.mark.parametrize(
    ("deed", "told"), [("mend the roof", "mended the roof"), ("catch the thief", "caught the thief")]
)
def test_a_deed_is_told_afterwards(deed: str, told: str) -> None:
    assert past(deed) == told
