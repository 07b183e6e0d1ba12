from __future__ import annotations

import pytest

from server.dialogue.floor import decide
from server.dialogue.perception import Sense, hearers, hearers_of, witnesses_of
from server.dialogue.scene import Person, SceneView

ROOM = SceneView(
    present=(
        Person("near", "Near", 5.0),
        Person("far", "Far", 50.0),
        Person("unknown", "Unknown"),
        Person("asleep", "Asleep", 1.0, asleep=True),
        Person("deaf", "Deaf", 1.0, hears=False),
        Person("keen", "Keen", 90.0, hears=True),
        Person("walled", "Walled", 2.0, sees=False),
        Person("far_walled", "Far Walled", 60.0, sees=False),
    ),
    described=True,
    hearing=20.0,
)


def test_a_voice_carries_as_far_as_the_scene_says() -> None:
    assert hearers(ROOM) == ("near", "unknown", "keen", "walled")


def test_without_a_range_everyone_awake_hears() -> None:
    view = SceneView(present=(Person("a", "A", 900.0), Person("b", "B", asleep=True)), described=True)
    assert hearers(view) == ("a",)


def test_another_is_heard_by_those_who_cannot_be_further_away_than_a_voice_carries() -> None:
    assert hearers_of(ROOM, "far") == ("far", "unknown", "keen", "far_walled")
    assert hearers_of(ROOM, "asleep")[0] == "near"
    assert "asleep" in hearers_of(ROOM, "asleep")


@pytest.mark.parametrize(
    ("sense", "seen", "heard"),
    [
        ("any", {"near", "far", "unknown", "deaf", "keen"}, {"walled"}),
        ("sight", {"near", "far", "unknown", "deaf", "keen"}, set()),
        ("hearing", set(), {"near", "unknown", "keen", "walled"}),
    ],
)
def test_an_event_is_seen_or_else_heard(sense: Sense, seen: set[str], heard: set[str]) -> None:
    noticed = witnesses_of(ROOM, sense)
    assert {npc for npc, how in noticed.items() if how == "present"} == seen
    assert {npc for npc, how in noticed.items() if how == "heard"} == heard


@pytest.mark.parametrize(
    ("text", "to", "speakers"),
    [
        ("Far, come here!", (), ("walled",)),
        ("Far, come here!", ("far",), ("far",)),
        ("Wake up!", ("asleep",), ()),
        ("Wake up!", ("asleep", "near"), ("near",)),
        ("Deaf?", ("deaf",), ()),
    ],
)
def test_whoever_does_not_hear_does_not_answer(text: str, to: tuple[str, ...], speakers: tuple[str, ...]) -> None:
    decision = decide(ROOM, text, to, "asleep")
    assert decision.speakers == speakers
    assert bool(decision.why) == (not speakers)
