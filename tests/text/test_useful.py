from __future__ import annotations

import pytest

from server.text.useful import UsefulText


@pytest.mark.parametrize(
    ("deltas", "useful"),
    [
        (["Hello"], [True]),
        (["", " ", "\n", "Oh"], [False, False, False, True]),
        (["...", " \u2014 ", "\U0001f600", "5"], [False, False, False, True]),
        (["<thi", "nk>I should say hello", "</think>", " Hello"], [False, False, False, True]),
        (["<|tool_call_start|>", "[x()]", "<|tool_call_end|>", "Done"], [False, False, False, True]),
        (["<|im_end|>"], [False]),
        (["*smi", "les*", " Hello"], [False, False, True]),
        (["(laughs", ")", "[nods]", "Hello"], [False, False, False, True]),
        (["Hil", "da", ":", " ", "Hello"], [False, False, False, False, True]),
        (["Hil", "ary is here"], [False, True]),
        (["**Hilda:**", " yes"], [False, True]),
        (["\u4f60\u597d"], [True]),
        (["(" + "so " * 100], [True]),
    ],
)
def test_useful_is_what_can_be_heard(deltas: list[str], useful: list[bool]) -> None:
    detector = UsefulText("Hilda")
    assert [detector.feed(delta) for delta in deltas] == useful
    assert detector.close() is useful[-1]


def test_what_was_waited_for_is_useful_once_nothing_else_comes() -> None:
    detector = UsefulText("Hilda")
    assert not detector.feed("Hil")
    assert detector.close()


def test_it_stays_useful() -> None:
    detector = UsefulText()
    assert detector.feed("Yes")
    assert detector.feed("<think>")


def test_a_thought_without_end_keeps_nothing() -> None:
    detector = UsefulText()
    detector.feed("<think>")
    for _ in range(100):
        assert not detector.feed("hm " * 1_000)
    assert not detector.close()
