from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training is an extra")

from training.batches import Batch  # noqa: E402  # after what may be missing
from training.encoder import HEARD, KEY, LABELS, NOWHERE, SAID, SOUGHT  # noqa: E402  # as above
from training.losses import Reader, copies_loss, looks_loss  # noqa: E402  # as above
from training.manners import MANNERS  # noqa: E402  # as above
from training.model import Dimensions, Lfm2  # noqa: E402  # as above
from training.train import WARM_UP, Plan, rate_at  # noqa: E402  # as above


def test_rates_rise_stay_level_and_fall_to_nothing() -> None:
    plan = Plan(steps=1_000, cooling=0.4)
    assert rate_at(0, plan) == 1 / WARM_UP
    assert [rate_at(step, plan) for step in (WARM_UP, 300, 600)] == [1.0, 1.0, 1.0]
    assert rate_at(800, plan) == pytest.approx(0.5)
    assert rate_at(1_000, plan) == 0.0


def test_looking_at_the_right_line_is_learnt_from_being_told_where_it_stands() -> None:
    lookups = [[0, 25, 4, 9, 20], [1, 25, 10, 16, 20], [2, 25, -1, 1, 20]]
    losses = _learnt(looks_loss, _batch(3, lookups=lookups))
    assert losses[-1] < 0.2 < 2.0 < losses[0]


def test_looking_at_what_is_to_be_copied_is_learnt_wherever_it_stands() -> None:
    losses = _learnt(copies_loss, _batch(2, copies=[[0, 25, 4], [0, 25, 11], [0, 26, 5], [1, 25, 17]]))
    assert losses[-1] < 0.2 < 1.5 < losses[0]


def test_topics_and_manners_are_read_from_what_a_token_holds() -> None:
    goal, manner = LABELS["goal"], LABELS[next(iter(MANNERS))]
    batch = _batch(
        2, labels=[[0, 5, goal, NOWHERE], [0, 23, goal, NOWHERE], [0, 25, goal, 23], [1, 25, manner, NOWHERE]]
    )
    reader = Reader(288)
    losses = _learnt(reader.loss, batch, width=288, more=reader)
    assert losses[-1] < 0.5 < 5.0 < losses[0]


def _batch(
    talks: int,
    lookups: Sequence[Sequence[int]] = (),
    copies: Sequence[Sequence[int]] = (),
    labels: Sequence[Sequence[int]] = (),
) -> Batch:
    marks = [0] * 20 + [HEARD] * 3 + [HEARD | KEY] + [0, SAID, SOUGHT, SOUGHT, SAID, SAID]
    return Batch(
        torch.randint(20, 60, (talks, 30), generator=torch.Generator().manual_seed(1)),
        torch.tensor([marks] * talks),
        torch.tensor(lookups, dtype=torch.long).reshape(-1, 5),
        torch.tensor(copies, dtype=torch.long).reshape(-1, 3),
        torch.tensor(labels, dtype=torch.long).reshape(-1, 4),
    )


def _learnt(
    loss_of: Callable[[Lfm2, Batch, list[Any]], Any], batch: Batch, width: int = 64, more: Any = None
) -> list[float]:
    torch.manual_seed(1)
    model = Lfm2(Dimensions(60, width=width, inner=96, layers=4, attention=(1, 2, 3), heads=4))
    optimiser = torch.optim.AdamW([*model.parameters(), *(more.parameters() if more else ())], lr=3e-3)
    losses = []
    for _ in range(60):
        inputs: list[Any] = []
        model(batch.ids, inputs)
        loss = loss_of(model, batch, inputs)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses
