from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from server.cli import main
from server.cli.spend import limits_told, table
from server.config import SpendSettings
from server.memory.spend import PaidCall, Spent
from server.memory.store import Memory

TODAY = date.today().isoformat()
LONG_AGO = (date.today() - timedelta(days=30)).isoformat()


def call(day: str = TODAY, npc: str = "hilda", cost_usd: float | None = 0.25) -> PaidCall:
    return PaidCall(1.0, day, "t1", npc, "paid", "a/model", 1_000, 600, 50, cost_usd)


async def fill(folder: Path, calls: Sequence[PaidCall]) -> None:
    memory = await Memory.open(folder / "data")
    await memory.add_spend(calls)
    await memory.close()


@pytest.fixture
def config(tmp_path: Path) -> list[str]:
    (tmp_path / "config.yaml").write_text("mods: {enabled: []}\n")
    return ["--config", str(tmp_path / "config.yaml")]


def test_before_the_first_start_nothing_was_spent(config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spend", *config]) == 0
    assert capsys.readouterr().out.startswith("Nothing was spent since")
    assert main(["spend", "--json", *config]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []


async def test_the_table_adds_up(tmp_path: Path, config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    await fill(tmp_path, [call(), call(npc="bram"), call(npc="bram"), call(LONG_AGO)])
    assert main(["spend", "--by", "npc", *config]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["npc", "calls", "prompt", "cached", "reply", "cost"],
        ["bram", "2", "2,000", "1,200", "100", "$0.5000"],
        ["hilda", "1", "1,000", "600", "50", "$0.2500"],
        ["in", "all", "3", "3,000", "1,800", "150", "$0.7500"],
    ]
    assert len({len(line) for line in lines[:4]}) == 1


async def test_days_go_back_from_today(tmp_path: Path, config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    await fill(tmp_path, [call(), call(LONG_AGO)])
    assert main(["spend", "--days", "31", "--json", *config]) == 0
    assert [row["key"] for row in json.loads(capsys.readouterr().out)["rows"]] == [LONG_AGO, TODAY]
    assert main(["spend", "--days", "1", "--json", *config]) == 0
    assert [row["key"] for row in json.loads(capsys.readouterr().out)["rows"]] == [TODAY]


async def test_it_may_be_run_while_the_server_does(
    tmp_path: Path, config: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    memory = await Memory.open(tmp_path / "data")
    await memory.add_spend([call()])
    assert main(["spend", "--by", "route", *config]) == 0
    assert "paid a/model" in capsys.readouterr().out
    await memory.close()


def test_what_is_not_known_is_said() -> None:
    told = table("day", [Spent("a", 2, 10, 0, 5, 0.5, unpriced=1), Spent("b", 1, 10, 0, 5, unpriced=1, estimated=1)])
    assert "$0.5000 + ?" in told
    assert "2 calls at a price that is not known" in told
    assert "1 call whose provider reported no tokens" in told


@pytest.mark.parametrize(
    ("usd", "tokens", "told"),
    [(1.0, 2_000_000, "1 USD and 2,000,000 tokens"), (None, 5, "5 tokens"), (None, None, "none")],
)
def test_the_limits_are_told(usd: float | None, tokens: int | None, told: str) -> None:
    assert told in limits_told(SpendSettings(usd_per_day=usd, tokens_per_day=tokens))


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999999"])
def test_an_impossible_number_of_days_is_refused(days: str, config: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["spend", f"--days={days}", *config])
