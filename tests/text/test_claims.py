from __future__ import annotations

import pytest

from server.text.claims import is_claim


@pytest.mark.parametrize(
    "text",
    [
        "I am your king.",
        "I'm the new captain of the watch!",
        "I\u2019m a knight, you know.",
        "Listen. You owe me twelve marks.",
        "My name is Roderick.",
        "My father built this inn.",
        "Corrie told me to come in.",
        "You promised me a room. Remember?",
        "That sword belongs to me.",
        "I killed the wolf.",
    ],
)
def test_what_a_speaker_says_of_itself_is_a_claim(text: str) -> None:
    assert is_claim(text)


@pytest.mark.parametrize(
    "text",
    [
        "Any rooms left?",
        "Am I your king?",
        "Do you think I am the king?",
        "The bridge is down.",
        "I am tired.",
        "A beer, please.",
        "Who owes you money?",
        "",
    ],
)
def test_questions_and_plain_talk_are_none(text: str) -> None:
    assert not is_claim(text)


@pytest.mark.parametrize(("text", "claims"), [("Aldo is the rightful king.", True), ("Aldous is the king.", False)])
def test_what_a_speaker_says_of_itself_by_name_is_a_claim_too(text: str, claims: bool) -> None:
    assert is_claim(text, "Aldo") is claims
    assert not is_claim(text, "Berta")
