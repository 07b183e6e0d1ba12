from __future__ import annotations

import pytest

from server.memory.feelings import Effect
from server.memory.impressions import Impression, common, impressions_of


def names(text: str, language: str = "en") -> list[str]:
    return [rule.name for rule in impressions_of(language).of_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You fool, get out of my way.", ["insult"]),
        ("Thank you for the room.", ["thanks"]),
        ("I\N{RIGHT SINGLE QUOTATION MARK}m sorry about the window.", ["apology"]),
        ("Pay, or I'll hurt you.", ["threat"]),
        ("A fine evening.", []),
        ("Are you stupid?", []),
        ("You are not stupid.", []),
        ("Foolish? Perhaps. Thank you all the same.", ["thanks"]),
        ("They sell useless_things here", []),
    ],
)
def test_words_fit_their_rule_and_no_other(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_words_are_those_of_the_npcs_language() -> None:
    assert names("Vielen Dank für alles.", "de-AT") == ["thanks"]
    assert names("Vielen Dank für alles.") == []


def test_kinds_of_events_are_found_by_any_of_their_names() -> None:
    rules = impressions_of("en")
    assert [getattr(rules.of_event(kind), "name", None) for kind in ("attack", "gift", "weather")] == [
        "violence", "gift", None,
    ]  # fmt: skip


def test_a_persona_changes_only_the_numbers_it_names() -> None:
    rules = impressions_of("en", {"insult": {"trust": -0.9}, "spat_at": {"warmth": -1.0}})
    insult = rules.named("insult")
    assert insult is not None
    assert (insult.effect.trust, insult.effect.mood) == (-0.9, "angry")
    spat_at = rules.of_event("spat_at")
    assert spat_at is not None
    assert spat_at.effect.warmth == -1.0


def test_a_mods_rule_takes_the_place_of_the_common_one() -> None:
    praise = Impression("praise", Effect(warmth=-0.5), words={"en": ("nice hat",)})
    rules = impressions_of("en", brought=[praise])
    assert [rule.effect.warmth for rule in rules.of_words("Nice hat!")] == [-0.5]
    assert list(rules.of_words("Well done.")) == []


def test_no_common_effect_leaves_the_scale_at_once() -> None:
    for rule in common():
        for name in ("trust", "warmth", "respect", "fear", "valence", "arousal"):
            assert abs(getattr(rule.effect, name)) < 1
