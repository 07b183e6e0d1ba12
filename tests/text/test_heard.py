from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.text.heard import heard_part

LINE = "Good evening, my friend."


@pytest.mark.parametrize(
    ("fraction", "heard"),
    [
        (-1, ""),
        (0, ""),
        (math.nan, ""),
        (3 / 24, ""),
        (4 / 24, "Good"),
        (0.5, "Good"),
        (13 / 24, "Good evening,"),
        (0.99, "Good evening, my"),
        (1, LINE),
        (2, LINE),
    ],
)
def test_only_whole_words_were_heard(fraction: float, heard: str) -> None:
    assert heard_part(LINE, fraction) == heard


def test_white_space_at_the_ends_does_not_count() -> None:
    assert heard_part(f"  {LINE}  ", 4 / 24) == "  Good"
    assert heard_part(f"{LINE} ", 1.0) == f"{LINE} "


def test_scripts_without_spaces_are_heard_by_the_character() -> None:
    assert heard_part("\u4f60\u597d\u3002\u65c5\u4eba", 0.4) == "\u4f60\u597d"
    assert heard_part("\u4f60\u597d Ansel", 0.5) == "\u4f60\u597d"
    assert heard_part("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", 0.4) == "\u0e2a"


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_more_playback_never_means_less_heard(line: str, one: float, other: float) -> None:
    less, more = heard_part(line, min(one, other)), heard_part(line, max(one, other))
    assert more.startswith(less)
    assert line.startswith(more)
