from __future__ import annotations

from server.gateway.bucket import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=2, burst=3, clock=clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_rest_never_saves_up_more_than_a_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(per_second=10, burst=2, clock=clock)
    clock.now = 1_000
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_two_bursts_of_refusals_are_a_flood() -> None:
    bucket = TokenBucket(per_second=1, burst=5, clock=Clock())
    for _ in range(5 + 10):
        bucket.take()
    assert not bucket.is_flooded
    bucket.take()
    assert bucket.is_flooded


def _flooded_within_a_minute(messages_per_second: int) -> bool:
    clock = Clock()
    bucket = TokenBucket(per_second=40, burst=80, clock=clock)
    for number in range(60 * messages_per_second):
        clock.now = number / messages_per_second
        bucket.take()
    return bucket.is_flooded


def test_a_little_too_fast_is_forgiven_and_far_too_fast_is_not() -> None:
    assert not _flooded_within_a_minute(60)
    assert _flooded_within_a_minute(120)
