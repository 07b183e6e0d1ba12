from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training is an extra")

from training.train import WARM_UP, Plan, rate_at  # after what may be missing


def test_rates_rise_stay_level_and_fall_to_nothing() -> None:
    plan = Plan(steps=1_000, cooling=0.4)
    assert rate_at(0, plan) == 1 / WARM_UP
    assert [rate_at(step, plan) for step in (WARM_UP, 300, 600)] == [1.0, 1.0, 1.0]
    assert rate_at(800, plan) == pytest.approx(0.5)
    assert rate_at(1_000, plan) == 0.0
