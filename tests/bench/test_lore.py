"""The benchmark of lorebooks."""

from __future__ import annotations

import pytest

from server.bench.lore import as_table, run
from server.cli import main


def test_each_way_is_timed_in_each_round_and_entries_come_up() -> None:
    times = run(rounds=2, seed=1)
    assert [len(each) for each in (times.first, times.next, times.plain)] == [2, 2, 2]
    assert min(*times.first, *times.next, *times.plain) > 0
    assert times.most_told > 3


def test_the_table_says_whether_the_aim_is_met() -> None:
    times = run(rounds=1)
    times.first = [1.0]
    assert as_table(times).endswith("p50: met")
    times.first = [3.0]
    assert as_table(times).endswith("p50: missed")


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "lore", "--rounds", "2"]) == 0
    assert "key by key" in capsys.readouterr().out
