from __future__ import annotations

from pathlib import Path

import pytest

from server.errors import StoreError
from server.memory import spend
from server.memory.spend import KnownRatio, PaidCall
from server.memory.store import DATABASE_NAME, Memory


def call(**fields: object) -> PaidCall:
    base: dict[str, object] = {
        "wall_s": 1.0,
        "day": "2026-05-01",
        "turn": "t1",
        "npc": "hilda",
        "route": "paid",
        "model": "m",
        "prompt_tokens": 1_000,
        "cached_tokens": 600,
        "reply_tokens": 50,
        "cost_usd": 0.25,
    }
    return PaidCall(**{**base, **fields})  # type: ignore[arg-type]  # tests name fields freely


async def test_a_day_adds_up_its_own_calls(memory: Memory) -> None:
    await memory.add_spend([call(), call(cost_usd=None, estimated=True), call(day="2026-05-02", cost_usd=9.0)])
    spent = await memory.spent_on("2026-05-01")
    assert (spent.calls, spent.prompt_tokens, spent.cached_tokens, spent.reply_tokens) == (2, 2_000, 1_200, 100)
    assert (spent.cost_usd, spent.unpriced, spent.estimated) == (0.25, 1, 1)


async def test_a_day_without_calls_cost_nothing(memory: Memory) -> None:
    assert await memory.spent_on("2026-05-01") == spend.Spent("2026-05-01")


async def test_sums_group_by_day_npc_and_route(memory: Memory, tmp_path: Path) -> None:
    await memory.add_spend(
        [
            call(day="2026-04-30", cost_usd=100.0),
            call(day="2026-05-02", npc="bram", route="other", cost_usd=2.0),
            call(),
            call(npc="corrie", cost_usd=None),
        ]
    )
    path = tmp_path / "data" / DATABASE_NAME  # the server that holds it is running
    keys = {by: [row.key for row in spend.report(path, by, "2026-05-01")] for by in ("day", "npc", "route")}
    assert keys == {
        "day": ["2026-05-01", "2026-05-02"],
        "npc": ["bram", "hilda", "corrie"],
        "route": ["other m", "paid m"],
    }


def test_without_a_database_nothing_was_spent(tmp_path: Path) -> None:
    assert spend.report(tmp_path / "none.db", "day", "2026-05-01") == ()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_text("x" * 4_096)
    with pytest.raises(StoreError):
        spend.report(tmp_path / "bad.db", "day", "2026-05-01")


async def test_a_load_does_not_give_money_back(memory: Memory) -> None:
    await memory.add_spend([call()])
    await memory.load("default", None)
    assert (await memory.spent_on("2026-05-01")).calls == 1


async def test_spend_and_ratios_outlive_the_process(tmp_path: Path) -> None:
    known = KnownRatio("m", 3, 0.7, 0.01, 0.8)
    first = await Memory.open(tmp_path)
    await first.add_spend([call()], [KnownRatio("m", 1, 1.0, 0.1, 1.0)])
    await first.add_spend([], [known])
    await first.close()
    again = await Memory.open(tmp_path)
    assert (await again.spent_on("2026-05-01")).cost_usd == 0.25
    assert await again.ratios() == [known]
    await again.close()
