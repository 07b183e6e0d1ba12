from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.words import words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("she buys", "they bought"),
        ("a thief", "the thieves"),
        ("promised", "promises"),
        ("café", "CAFE"),
        ("three horses", "3 horse"),
        ("\N{MATHEMATICAL BOLD SCRIPT CAPITAL A}nsel", "Ansel"),
        ("Mara's brother", "Mara, brother"),
        ("don\N{RIGHT SINGLE QUOTATION MARK}t hide", "hid"),
    ],
)
def test_forms_of_a_word_are_one(one: str, other: str) -> None:
    assert words(one) == words(other) != ()


def test_what_says_nothing_is_left_out() -> None:
    assert words("What did you say to them then, and why was that?") == ()


def test_scripts_without_spaces_give_pairs_that_overlap() -> None:
    assert words("银钥匙") == ("银钥", "钥匙")


@given(st.text(max_size=200))
def test_a_word_holds_nothing_that_could_end_it(text: str) -> None:
    for word in words(text):
        assert word
        assert word.isascii() <= (word.isalnum() and word == word.lower())
        assert not set(word) & set(" \"'*:^()-\0_")
