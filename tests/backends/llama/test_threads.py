from __future__ import annotations

from pathlib import Path

import pytest

from server.backends.llama import threads


def machine(devices: Path, siblings: list[str], fast: str = "") -> Path:
    """A /sys/devices with one entry of `siblings` for each logical processor."""
    for cpu, others in enumerate(siblings):
        folder = devices / f"system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{others}\n")
    if fast:
        (devices / "cpu_core").mkdir()
        (devices / "cpu_core/cpus").write_text(f"{fast}\n")
    return devices


def test_two_threads_of_one_core_count_once(tmp_path: Path) -> None:
    devices = machine(tmp_path, ["0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7"])
    assert threads.linux_cores(devices, set(range(8))) == 4


def test_efficiency_cores_do_not_count(tmp_path: Path) -> None:
    devices = machine(tmp_path, ["0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7"], fast="0-3")
    assert threads.linux_cores(devices, set(range(8))) == 2


def test_cores_that_this_process_may_not_use_do_not_count(tmp_path: Path) -> None:
    devices = machine(tmp_path, ["0", "1", "2", "3"])
    assert threads.linux_cores(devices, {1, 3}) == 2


def test_a_machine_that_tells_nothing_counts_what_it_may_use(tmp_path: Path) -> None:
    assert threads.linux_cores(tmp_path, {0, 1, 2}) == 3


@pytest.mark.parametrize(("cores", "expected"), [(1, 1), (2, 1), (8, 7)])
def test_one_core_is_left_to_the_game_where_there_is_more_than_one(
    monkeypatch: pytest.MonkeyPatch, cores: int, expected: int
) -> None:
    monkeypatch.setattr(threads, "performance_cores", lambda: cores)
    assert threads.automatic_threads() == expected


def test_this_machine_has_at_least_one() -> None:
    assert threads.performance_cores() >= 1
