from __future__ import annotations

import pytest

from server.dialogue.clock import LONGEST_LEAP_S, GameClock, Reading

DAY = 86_400.0


def test_the_first_time_of_a_world_is_believed() -> None:
    assert GameClock().read(5.0) == Reading(5.0)


def test_time_goes_on() -> None:
    clock = GameClock(10 * DAY)
    assert clock.read(10 * DAY + 60) == Reading(10 * DAY + 60)
    assert clock.time == 10 * DAY + 60


def test_the_dummy_stamp_of_an_engine_is_held_and_forgotten() -> None:
    clock = GameClock(42 * DAY)
    assert clock.read(DAY) == Reading(42 * DAY, odd=True)
    assert clock.read(42 * DAY + 5) == Reading(42 * DAY + 5)
    assert clock.read(DAY) == Reading(42 * DAY + 5, odd=True)


def test_a_second_time_that_agrees_turns_the_clock_back_and_says_so() -> None:
    clock = GameClock(42 * DAY)
    clock.read(40 * DAY)
    assert clock.read(40 * DAY + 30) == Reading(40 * DAY + 30, back_from=42 * DAY)
    assert clock.read(40 * DAY + 60) == Reading(40 * DAY + 60)


@pytest.mark.parametrize("second", [30 * DAY, 41.5 * DAY])
def test_a_second_time_that_does_not_agree_is_held_in_its_place(second: float) -> None:
    clock = GameClock(42 * DAY)
    clock.read(40 * DAY)
    assert clock.read(second).odd
    assert clock.read(second + 1) == Reading(second + 1, back_from=42 * DAY)


def test_a_leap_is_believed_at_the_second_look_and_is_no_load() -> None:
    clock = GameClock(DAY)
    late = DAY + LONGEST_LEAP_S + 1
    assert clock.read(late).odd
    assert clock.read(late) == Reading(late)


def test_times_out_of_order_within_a_moment_do_not_turn_the_clock_back() -> None:
    clock = GameClock(100.0)
    assert clock.read(98.0) == Reading(100.0)


def test_after_a_load_the_clock_begins_where_the_save_was() -> None:
    clock = GameClock(42 * DAY)
    clock.read(DAY)
    clock.restart(3 * DAY)
    assert clock.read(3 * DAY + 1) == Reading(3 * DAY + 1)
