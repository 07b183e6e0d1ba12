from __future__ import annotations

import random

import pytest

from server.prompt.calibration import HIGHEST, START_MARGIN, Ratio, stepped
from server.prompt.tokens import EstimatedTokenizer, ScaledTokenizer

LIMIT = 1_536


def overruns(true_ratio: float, spread: float, seed: int, reports: int = 500) -> tuple[int, float]:
    """Of prompts that fill the limit as counted, those whose true size passes it; and the last factor in use."""
    rng = random.Random(seed)
    ratio = Ratio()
    in_use = ratio.factor
    passed = 0
    for number in range(reports):
        seen = true_ratio * (1 + rng.gauss(0, spread))
        seen = min(seen, 1 + START_MARGIN) if number == 0 else seen  # what the first margin promises to cover
        counted = LIMIT / in_use
        passed += seen * counted > LIMIT
        ratio = ratio.learn(round(counted), round(seen * counted))
        in_use = stepped(in_use, ratio.factor)
    return passed, in_use


@pytest.mark.parametrize("true_ratio", [0.3, 0.65, 1.0, 1.2])
@pytest.mark.parametrize("spread", [0.0, 0.02, 0.04, 0.06])
def test_fewer_than_one_prompt_in_1000_passes_the_limit(true_ratio: float, spread: float) -> None:
    runs = [overruns(true_ratio, spread, seed) for seed in range(20)]
    assert sum(passed for passed, _ in runs) <= 20 * 500 / 1_000


def test_the_margin_shrinks_to_a_few_percent_where_reports_agree() -> None:
    assert Ratio().factor == 1.25
    _, in_use = overruns(0.65, 0.0, seed=1, reports=200)
    assert 1.03 <= in_use / 0.65 <= 1.08


def test_a_rare_kind_of_prompt_is_not_forgotten() -> None:
    ratio = Ratio()
    for number in range(1_000):
        ratio = ratio.learn(1_000, 1_200 if number % 200 == 0 else 800)
    assert ratio.factor > 1.0


def test_a_changed_model_is_followed_at_once_upwards_and_in_time_downwards() -> None:
    ratio = Ratio()
    for _ in range(100):
        ratio = ratio.learn(1_000, 700)
    assert ratio.learn(1_000, 1_100).factor > 1.1
    for _ in range(1_000):
        ratio = ratio.learn(1_000, 500)
    assert ratio.factor < 0.6


def test_a_report_beyond_belief_leaves_room_for_a_prompt() -> None:
    assert Ratio().learn(1_000, 10**9).factor <= HIGHEST * 1.3


def test_the_factor_in_use_moves_rarely() -> None:
    rng = random.Random(1)
    ratio, in_use, steps = Ratio(), Ratio().factor, 0
    for _ in range(1_000):
        ratio = ratio.learn(1_000, round(650 * (1 + rng.gauss(0, 0.02))))
        after = stepped(in_use, ratio.factor)
        steps += after != in_use
        in_use = after
    assert 1 <= steps <= 10


def test_a_scaled_count_is_the_base_times_the_factor_rounded_up() -> None:
    tokenizer = ScaledTokenizer(EstimatedTokenizer(), 1.25)
    assert [tokenizer.count(text) for text in ("", "abc", "a" * 30)] == [0, 2, 13]
    assert not tokenizer.exact
