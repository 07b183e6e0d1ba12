import pytest

from server.personas.deflections import common, is_goodbye, languages


def test_the_languages_of_the_west_are_there() -> None:
    assert {"en", "de", "fr", "es"} <= set(languages())


@pytest.mark.parametrize("language", languages())
def test_each_language_has_lines_enough_not_to_repeat_itself(language: str) -> None:
    lines = common(language)
    assert len(set(lines.greetings)) >= 5
    assert len(set(lines.deflections)) >= 6
    assert len(set(lines.farewells)) >= 4


@pytest.mark.parametrize("language", languages())
def test_every_goodbye_of_a_language_is_understood(language: str) -> None:
    assert all(is_goodbye(f"{goodbye.upper()}!", language) for goodbye in common(language).goodbyes)


def test_a_region_has_its_languages_lines_and_an_unknown_language_english() -> None:
    assert common("de-AT") is common("de")
    assert common("xx") is common("en")


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Goodbye, Hilda.", "en", True),
        ("Well, I\u2019m off then.", "en", True),
        ("good-bye", "en", True),
        ("Tschüß!", "de", True),
        ("A demain !", "fr", True),
        ("Adios, amigo", "es", True),
        ("Any rooms left?", "en", False),
        ("Did he say goodbye?", "en", False),
        ("I stood by the bridge", "en", False),
        ("Goodbye is what he said to me when the ice came down", "en", False),
        ("", "en", False),
        ("Tschüss", "en", False),
    ],
)
def test_taking_leave_is_told_from_other_talk(text: str, language: str, expected: bool) -> None:
    assert is_goodbye(text, language) is expected
