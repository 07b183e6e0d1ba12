from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.backends.llama.calibration import Calibration, load_times, store_times
from server.backends.llama.model import Model
from server.backends.llama.sequences import Sequences
from server.backends.llama.step_times import Curve, StepTimes
from tests.support.llama import steady

CURVES = st.dictionaries(st.integers(1, 600), st.floats(0.1, 5_000), min_size=1, max_size=8).map(Curve)


@given(CURVES, st.integers(1, 700), st.integers(1, 700))
def test_more_never_takes_less(curve: Curve, one: int, other: int) -> None:
    few, many = sorted((one, other))
    assert 0 < curve.ms(few) <= curve.ms(many) * 1.000001


@given(CURVES, st.floats(0, 10_000), st.integers(1, 700))
def test_within_is_the_most_that_fits(curve: Curve, ms: float, most: int) -> None:
    count = curve.within(ms, most)
    assert 1 <= count <= most
    assert count == 1 or curve.ms(count) <= ms
    assert count == most or curve.ms(count + 1) > ms * 0.999999


@given(st.integers(1, 2_000), st.floats(1, 2_000), st.integers(1, 512))
def test_a_prompt_is_read_in_the_fewest_steps_all_alike(pending: int, ms: float, most: int) -> None:
    times = steady()
    largest = times.prefill.within(ms, most)
    sizes = []
    left = pending
    while left:
        sizes.append(times.chunk(left, ms, most))
        left -= sizes[-1]
    assert max(sizes) <= largest
    assert len(sizes) == -(-pending // largest)
    assert max(sizes) - min(sizes) <= 1


@given(CURVES, st.integers(1, 700), st.integers(1, 20))
def test_a_batch_never_takes_longer_than_its_tokens_one_by_one(curve: Curve, count: int, times: int) -> None:
    least = curve.points[0][0]
    assert curve.ms(least * times) <= curve.ms(least) * times * 1.000001


def test_a_bad_measurement_that_keeps_steps_small_is_forgotten_with_good_ones() -> None:
    times = StepTimes()
    times.measure({1: 140.0, 4: 3_000.0, 8: 5_000.0, 32: 9_000.0}, {1: 140.0})
    for _ in range(80):
        count = times.chunk(42, 400.0, 512)
        times.seen(count, 0, {1: 140.0, 2: 200.0}.get(count, 160.0 + 12.0 * count))
    assert times.chunk(42, 400.0, 512) >= 14


def test_the_first_step_scales_a_guess() -> None:
    times = StepTimes()
    before = times.prefill.ms(64)
    times.seen(32, 0, times.prefill.ms(32) / 5)
    assert times.prefill.ms(64) == pytest.approx(before / 5)


def test_real_steps_move_a_curve_and_one_that_is_odd_hardly_does() -> None:
    times = steady()
    times.seen(0, 1, 30_000.0)
    assert times.decode.ms(1) < 60
    for _ in range(60):
        times.seen(0, 1, 15.0)
    assert times.decode.ms(1) == pytest.approx(15, rel=0.05)
    known = times.prefill.ms(32)
    times.seen(32, 2, 9_999.0)
    assert times.prefill.ms(32) == known


def test_times_are_kept_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.times"
    assert load_times(path) is None
    store_times(path, steady())
    loaded = load_times(path)
    assert loaded is not None
    assert loaded.to_dict() == steady().to_dict()
    assert loaded.measured


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "3",
        '{"prefill": [], "decode": []}',
        '{"prefill": [[1, 0]], "decode": [[1, 5]]}',
        '{"prefill": 1, "decode": 2}',
    ],
)
def test_what_is_no_times_is_measured_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.times").write_text(text)
    assert load_times(tmp_path / "x.times") is None


def test_a_frame_can_be_sent() -> None:
    assert json.loads(json.dumps(steady().to_dict()))["decode_ms"] == 30.0


@pytest.mark.engine
def test_a_calibration_measures_and_leaves_nothing_behind(model: Model) -> None:
    clock = iter(range(0, 10_000_000, 50))
    sequences, times = Sequences(model), StepTimes()
    calibration = Calibration(sequences, times, token=7, most=model.batch, now_ms=lambda: float(next(clock)))
    while calibration.step():
        assert sequences.used_cells == sequences.taken == 0
    assert times.measured
    assert [count for count, _ in times.prefill.points] == [1, 4, 8, 16, 32, 64, 128, 256, 512]
    assert [count for count, _ in times.decode.points] == [1, 2, 4]


@pytest.mark.engine
def test_a_slow_machine_is_not_kept_busy_by_long_measurements(model: Model) -> None:
    clock = iter(range(0, 10_000_000, 250))
    times = StepTimes()
    calibration = Calibration(Sequences(model), times, token=7, most=512, now_ms=lambda: float(next(clock)))
    while calibration.step():
        pass
    assert [count for count, _ in times.prefill.points] == [1, 4, 8, 16, 32]


@pytest.mark.engine
def test_a_busy_machine_is_not_believed_and_measured_again_next_time(model: Model) -> None:
    clock = iter(range(0, 10_000_000, 1_500))
    times, steps = StepTimes(), 0
    guess = times.prefill.ms(32) / times.prefill.ms(4)
    calibration = Calibration(Sequences(model), times, token=7, most=512, now_ms=lambda: float(next(clock)))
    while calibration.step():
        steps += 1
    assert steps <= 5
    assert not times.measured
    assert times.prefill.ms(4) == pytest.approx(1_500)
    assert times.prefill.ms(32) / times.prefill.ms(4) == pytest.approx(guess)


@pytest.mark.engine
def test_a_context_that_is_full_is_not_measured(model: Model) -> None:
    sequences, times = Sequences(model), StepTimes()
    sequences.evaluate([(sequences.take(), [30] * model.batch)])
    sequences.evaluate([(sequences.take(), [30] * sequences.free_cells)])
    assert not Calibration(sequences, times, token=7, most=512, now_ms=lambda: 0.0).step()
    assert not times.measured
