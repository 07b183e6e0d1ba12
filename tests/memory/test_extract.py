from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.memory.extract import MAX_FACTS, extract

NOON = 100 * 86_400.0 + 12 * 3_600


def told(text: str, **more: object) -> list[str]:
    return [fact.text for fact in extract(text, speaker="Ana", **more)]  # type: ignore[arg-type]  # keywords of a test


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("I'm Bran, I love mead but I hate rats.", ["Ana's name is Bran.", "Ana likes mead.", "Ana dislikes rats."]),
        ("My sister Mara is well.", ["Ana's sister is Mara."]),
        ("Mara is my sister.", ["Ana's sister is Mara."]),
        ("Ansel's wife is Berta.", ["Ansel's wife is Berta."]),
        ("I work as a tanner.", ["Ana works as a tanner."]),
        ("I'm a ferryman from Dell.", ["Ana is a ferryman from Dell."]),
        ("I hid my ring under the old well.", ["Ana's ring is under the old well."]),
        ("The silver key is in the chapel.", ["The silver key is in the chapel."]),
        ("The bread costs two coins.", ["The bread costs two coins."]),
        ("You still owe me twenty septims!", ["Ana is owed twenty septims."]),
        ("The smith is dead.", ["The smith is dead."]),
        ("I promise I will never lie to you.", ["Ana promised: I will never lie to you."]),
        ("Do I owe you money? Is the key in the chapel?", []),
        ("Good morning to you.", []),
    ],
)
def test_what_is_said_becomes_facts(text: str, facts: list[str]) -> None:
    assert told(text) == facts


def test_a_promise_falls_due_at_the_hour_it_names() -> None:
    [fact] = extract("I'll bring you the ring tomorrow at dawn.", speaker="Ana", time_s=NOON)
    assert (fact.kind, fact.due_h) == ("promise", 101 * 24 + 6)


def test_what_happened_yesterday_is_dated_yesterday() -> None:
    [fact] = extract("I visited the mill yesterday.", speaker="Ana", time_s=NOON)
    assert fact.when_s is not None
    assert fact.when_s // 86_400 == 99


def test_without_a_game_time_there_are_no_times() -> None:
    [fact] = extract("I'll bring you the ring tomorrow.", speaker="Ana")
    assert (fact.when_s, fact.due_h) == (None, None)


def test_a_secret_is_kept_whole_and_matters_most() -> None:
    facts = extract("The heir lives. Don't tell anyone about it.", speaker="Ana")
    secret = max(facts, key=lambda fact: fact.importance)
    assert (secret.kind, secret.object) == ("secret", "The heir lives. Don't tell anyone about it.")


def test_what_happens_has_no_speaker() -> None:
    assert told("I love mead.", kind="event") == []
    assert told("A dragon burned the mill.", kind="event") == ["A dragon burned the mill."]


def test_asking_to_remember_makes_it_matter_more() -> None:
    plain, lifted = (extract(text, speaker="Ana")[0] for text in ("I love mead.", "Remember this: I love mead."))
    assert lifted.importance > plain.importance


@given(st.text(max_size=300), st.floats(allow_nan=True, allow_infinity=True) | st.none())
def test_any_text_gives_facts_in_bounds(text: str, time_s: float | None) -> None:
    facts = extract(text, speaker="Ana", time_s=time_s)
    assert len(facts) <= MAX_FACTS
    assert all(0.0 <= fact.importance <= 1.0 and fact.text for fact in facts)
    assert facts == extract(text, speaker="Ana", time_s=time_s)


def test_text_made_to_be_slow_is_not() -> None:
    begun = time.process_time()
    for text in ("my " * 130, "I hid the " * 40, "Aa " * 133, "A" * 400, "I left the a a a " * 23, "x's sister " * 36):
        extract(text * 5, speaker="Ana", time_s=NOON)
    assert time.process_time() - begun < 2.0
