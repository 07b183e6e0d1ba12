from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from server.backends.llama.schedule import (
    BACKGROUND_MS,
    FOREGROUND,
    FOREGROUND_MS,
    LONE_TOKENS,
    UNFELT_MS,
    Plan,
    background_ms,
    first_token_ms,
    plan,
)
from server.backends.llama.step_times import StepTimes
from tests.support.llama import steady


@dataclass
class Job:
    priority: int = 10
    speaks: bool = True
    speaking: bool = False
    pending: int = 100
    served: int = 0
    order: int = 0


def speaking(priority: int = 10) -> Job:
    return Job(priority=priority, speaking=True, pending=1)


def planned(*jobs: Job) -> Plan[Job]:
    for order, job in enumerate(jobs):
        job.order = order
    return plan(jobs, steady())


def test_only_the_highest_priority_has_a_part() -> None:
    player, ambient = speaking(priority=10), speaking(priority=2)
    assert planned(ambient, player).speaking == [player]


def test_speech_and_one_reader_share_a_foreground_step_and_its_time() -> None:
    a, b, reader, second = speaking(), speaking(), Job(), Job()
    found = planned(second, a, b, reader)
    assert (found.speaking, found.reading) == ([a, b], second)
    assert found.budget_ms == FOREGROUND_MS - 60


def test_a_warm_waits_for_readers_who_will_speak() -> None:
    warm, reader = Job(speaks=False), Job()
    assert planned(warm, reader).reading is reader


def test_a_warm_beside_speech_takes_little_time() -> None:
    warm = Job(speaks=False)
    assert planned(warm).budget_ms == FOREGROUND_MS
    found = planned(warm, speaking())
    assert found.reading is warm
    assert found.budget_ms == BACKGROUND_MS - 30


def test_background_speakers_take_turns_four_at_a_time() -> None:
    jobs = [speaking(priority=2) for _ in range(6)]
    first = planned(*jobs).speaking
    assert len(first) == 4
    for job in first:
        job.served += 1
    assert list(planned(*jobs).speaking)[:2] == jobs[4:]


def test_in_the_background_reading_and_speech_take_turns() -> None:
    reader, speaker = Job(priority=0), speaking(priority=0)
    assert planned(reader, speaker).reading is reader
    reader.served = 1
    found = planned(reader, speaker)
    assert (list(found.speaking), found.reading) == ([speaker], None)


def test_who_waits_for_a_turn_has_it_read_in_one_step_while_nobody_speaks() -> None:
    assert planned(Job()).least == LONE_TOKENS
    assert planned(Job(priority=8)).least == LONE_TOKENS
    assert planned(Job(speaks=False)).least == planned(Job(priority=2)).least == 1
    assert planned(Job(), speaking()).least == 1


def of_speed(factor: float) -> StepTimes:
    times = StepTimes()
    times.measure({1: 30.0 * factor, 40: 410.0 * factor, 80: 800.0 * factor}, {1: 30.0 * factor})
    return times


def test_a_background_step_is_short_beside_a_turn_of_that_machine() -> None:
    assert background_ms(of_speed(1)) == BACKGROUND_MS
    assert background_ms(of_speed(0.3)) == (410 + 30) * 0.3 / 4
    assert background_ms(of_speed(0.01)) == UNFELT_MS


def test_a_forecast_counts_what_is_read_before_and_who_speaks_meanwhile() -> None:
    one, times = Job(order=5, pending=40), of_speed(1)
    assert first_token_ms([one], one, 40, times) == 410
    assert first_token_ms([one, Job(pending=80)], one, 40, times) == 410 + 800
    assert first_token_ms([one, Job(pending=80, priority=2), Job(pending=80, order=9)], one, 40, times) == 410
    assert first_token_ms([one, speaking()], one, 40, times) == 410 + 30
    assert first_token_ms([one], one, 0, times) == 0


@given(
    st.lists(
        st.builds(
            Job,
            priority=st.sampled_from([0, 2, 8, 10]),
            speaks=st.booleans(),
            speaking=st.booleans(),
            pending=st.integers(1, 300),
            served=st.integers(0, 5),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_somebody_always_has_a_part_and_nobody_below_the_highest(jobs: list[Job]) -> None:
    found = planned(*jobs)
    part = [*found.speaking, *([found.reading] if found.reading else [])]
    assert part
    assert {job.priority for job in part} == {max(job.priority for job in jobs)}
    if part[0].priority < FOREGROUND:
        assert found.budget_ms <= BACKGROUND_MS
        assert not (found.speaking and found.reading)
