import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.backends.llama.pace import Pace

MEASURED = Pace(((8, 166.0), (32, 370.0), (128, 1_358.0)), 34.0)


@pytest.mark.parametrize(
    ("tokens", "ms"), [(0, 0.0), (4, 83.0), (8, 166.0), (20, 268.0), (128, 1_358.0), (136, 1_524.0), (256, 2_716.0)]
)
def test_between_measured_sizes_time_runs_straight_and_beyond_in_whole_batches(tokens: int, ms: float) -> None:
    assert MEASURED.prefill_ms(tokens) == pytest.approx(ms)


def test_a_deadline_that_not_even_a_step_fits_leaves_no_token() -> None:
    assert MEASURED.tokens_within(30.0) == 0


@given(st.floats(0, 20_000))
def test_what_fits_a_deadline_fits_and_one_more_does_not(ms: float) -> None:
    tokens = MEASURED.tokens_within(ms)
    assert tokens == 0 or MEASURED.first_token_ms(tokens) <= ms
    assert MEASURED.first_token_ms(tokens + 1) > ms


@pytest.mark.parametrize("figures", [[], [[0, 3.0]], [[8, 0.0]]])
def test_figures_without_sense_are_no_pace(figures: list[list[float]]) -> None:
    assert Pace.of(figures, 34.0) is None
    assert Pace.of([[8, 3.0]], 0.0) is None
