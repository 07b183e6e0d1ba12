from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.memory.when import DAY_S, HOUR_S, due_s, span_of

NOW = 20 * DAY_S + 14 * HOUR_S
WEEK = ("Ashday", "Reedday", "Tideday", "Cropday")
MAY_8_2023 = 1_683_554_000.0


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("yesterday", 19),
        ("the day before yesterday", 18),
        ("tomorrow at dawn", 21),
        ("the day after tomorrow", 22),
        ("three days ago", 17),
        ("in a couple of days", 22),
        ("last evening", 19),
    ],
)
def test_a_day_is_meant(text: str, day: int) -> None:
    span = span_of(f"We met {text}.", NOW)
    assert span is not None
    assert (span.start_s, span.end_s) == (day * DAY_S, (day + 1) * DAY_S)


def test_last_week_is_one_of_the_days_before_today() -> None:
    span = span_of("It was last week.", NOW)
    assert span is not None
    assert span.holds(NOW - 7 * DAY_S)
    assert not span.holds(NOW)


@pytest.mark.parametrize(("text", "day"), [("on Reedday", 17), ("last Ashday", 16), ("next Reedday", 21)])
def test_a_world_names_its_days(text: str, day: int) -> None:
    span = span_of(f"It rains {text}", NOW, WEEK)
    assert span is not None
    assert span.start_s == day * DAY_S
    assert span_of(f"It rains {text}", NOW) is None


def test_real_dates_are_read_where_the_time_is_real() -> None:
    span = span_of("What did they do on 2 May 2023?", MAY_8_2023)
    assert span is not None
    assert span.holds(MAY_8_2023 - 6 * DAY_S)
    assert span_of("What did they do on 2 May 2023?", NOW) is None


@pytest.mark.parametrize("text", ["It may rain.", "a week", "three days", "", "since always"])
def test_other_words_mean_no_time(text: str) -> None:
    assert span_of(text, MAY_8_2023) is None


def test_an_hour_that_is_past_is_that_of_the_next_day() -> None:
    assert due_s("Meet me at noon.", NOW) == 21 * DAY_S + 12 * HOUR_S
    assert due_s("Meet me at dusk.", NOW) == 20 * DAY_S + 19 * HOUR_S
    assert due_s("Meet me.", NOW) is None


@given(st.text(max_size=80), st.floats(allow_nan=True, allow_infinity=True) | st.none())
def test_any_text_at_any_time_is_a_stretch_or_none(text: str, now_s: float | None) -> None:
    span = span_of(f"{text} 99 may 9999 in 9999 years ago yesterday", now_s)
    assert span is None or span.start_s < span.end_s
