from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.text.summary import checked

SOURCE = "Aldo said: I will bring the ring to Hilda. Aldo gave Hilda a loaf."


def test_sentences_that_name_somebody_unheard_of_are_left_out() -> None:
    told = "Aldo promised Hilda a ring. He met the wizard Morvain in the tower. He gave her a loaf."
    assert checked(told, SOURCE, 600) == "Aldo promised Hilda a ring. He gave her a loaf."


def test_an_unfinished_sentence_is_left_out() -> None:
    assert checked("Aldo promised Hilda a ring. And then he", SOURCE, 600) == "Aldo promised Hilda a ring."


def test_what_is_too_short_is_no_summary() -> None:
    assert checked("Ok.", SOURCE, 600) == ""
    assert checked("", SOURCE, 600) == ""


@given(st.text(max_size=400), st.integers(0, 200))
def test_a_summary_is_bounded_one_line_and_harmless(text: str, most: int) -> None:
    found = checked(text, SOURCE, most)
    assert len(found) <= most
    assert "\n" not in found
    assert "<|im_start|>" not in found
