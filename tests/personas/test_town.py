"""The six personas that ship are whole, know each other and tell the same story."""

import re
from collections import Counter
from pathlib import Path

import pytest

from server.personas import loader
from server.personas.check import check
from server.personas.persona import Persona

FOLDER = Path(__file__).parent.parent.parent / "personas"
TOWN = {path.stem: loader.read(path).persona for path in loader.listed(FOLDER)}


@pytest.fixture(params=sorted(TOWN))
def persona(request: pytest.FixtureRequest) -> Persona:
    found = TOWN[request.param]
    assert found is not None
    return found


def lines(persona: Persona) -> list[str]:
    authored = persona.authored
    spoken = [*authored.greetings, *authored.farewells, *authored.deflections]
    return spoken + [line for topic in authored.topics for line in topic.lines]


def everything(persona: Persona) -> str:
    examples = [text for example in persona.examples for text in (example.player, example.npc)]
    told = [persona.core, persona.voice, *persona.knowledge, *persona.goals, *persona.relations.values(), *examples]
    return " ".join([*told, *lines(persona)])


def test_the_folder_is_sound() -> None:
    # Four bytes a token is about what English takes; the hosted budget is the smaller one.
    assert check([FOLDER], lambda persona: len(persona.core + persona.voice) // 4, 1_536) == []


def test_everyone_knows_everyone(persona: Persona) -> None:
    assert set(persona.relations) == set(TOWN) - {persona.id}


def test_everyone_is_whole(persona: Persona) -> None:
    assert 120 <= len(persona.core.split()) <= 200
    assert persona.voice
    assert 8 <= len(persona.knowledge) <= 14
    assert persona.goals
    assert 3 <= len(persona.examples) <= 5
    assert "sallow_weir" in persona.knows


def test_everyone_can_talk_without_a_model(persona: Persona) -> None:
    authored = persona.authored
    assert len(authored.greetings) >= 5
    assert len(authored.topics) >= 10
    assert all(2 <= len(topic.lines) <= 3 for topic in authored.topics)
    assert len(authored.farewells) >= 3
    assert len(authored.deflections) >= 6


def test_nobody_says_a_line_twice_or_another_ones() -> None:
    said = Counter(line for persona in TOWN.values() if persona for line in lines(persona))
    assert [line for line, times in said.items() if times > 1] == []


def test_lines_are_speech_without_markup_or_stage_directions(persona: Persona) -> None:
    assert not re.search(r"[*_#<>\[\]{}]|\n", everything(persona))


@pytest.mark.parametrize(
    "said", ["Any rooms left?", "A bed for the night", "What does a room cost?", "Is the loft free?"]
)
def test_hilda_has_an_answer_about_rooms(said: str) -> None:
    hilda = TOWN["hilda"]
    assert hilda is not None
    words = set(re.findall(r"\w+", said.lower()))
    topics = [topic for topic in hilda.authored.topics if words & set(topic.keywords)]
    assert any("penn" in line or "six" in line for topic in topics for line in topic.lines)


def test_hildas_prices_are_the_same_wherever_she_says_them() -> None:
    hilda = TOWN["hilda"]
    assert hilda is not None
    told = {room: set(re.findall(rf"{room}\b[^.]*?\b(six|seven)\b", everything(hilda))) for room in ("Heron", "Kiln")}
    assert told == {"Heron": {"seven"}, "Kiln": {"six"}}


@pytest.mark.parametrize(
    ("fact", "who"),
    [
        ("ninth night after midwinter", {"hilda", "ansel"}),
        ("fourteen miles", {"hilda", "corrie", "lotte"}),
        ("fifteen pennies", {"berrin", "corrie"}),
        ("hour before dawn", {"hilda", "ansel"}),
        ("[Tt]welve dozen", {"osric"}),
        ("six weeks late", {"osric", "lotte"}),
        ("nineteen", {"hilda", "lotte"}),
    ],
)
def test_a_shared_fact_is_told_alike(fact: str, who: set[str]) -> None:
    tellers = {
        persona.id for persona in TOWN.values() if persona and re.search(fact, everything(persona), re.IGNORECASE)
    }
    assert who <= tellers
