import gc
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.bench.load import load_of
from server.cli import main

MEASURES = {"say_to_request", "token_to_frame", "client_ok", "client_words", "echo"}


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    """The bench settles its process as `serve` does; the tests after it are not to run in a settled one."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_every_load_is_measured_and_written_as_a_table_and_as_json(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = temporary / "figures.json"

    assert main(["bench", "server", "--clients", "1", "3", "--turns", "2", "--seconds", "5", "--json", str(file)]) == 0

    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["clock"] == "time.monotonic_ns"
    assert found["aims_ms"] == {"say_to_request": 5.0, "token_to_frame": 1.0}
    assert set(found["machine"]) == {"system", "cpus", "python"}
    assert [run["load"]["clients"] for run in found["runs"]] == [1, 3]
    assert [run["turns"] for run in found["runs"]] == [2, 6]
    for run in found["runs"]:
        assert set(run) == {"load", "turns", "says_per_second", "cpu_ms_per_turn", "ms"}
        assert set(run["ms"]) == MEASURES
        for name, spread in run["ms"].items():
            samples_per_turn = 29 if name == "token_to_frame" else 1
            assert spread["samples"] == samples_per_turn * run["turns"]
            assert 0 < spread["p50"] <= spread["p99"] <= spread["max"]
    table = capsys.readouterr().out
    assert "1 client:" in table
    assert "3 clients, each in a world of its own:" in table


def test_nothing_is_left_behind(temporary: Path) -> None:
    assert main(["bench", "server", "--clients", "1", "--turns", "1"]) == 0

    assert list(temporary.iterdir()) == []


def test_a_client_that_fails_ends_the_bench_with_its_reason(
    temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nobody").mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("personas: [nobody]\nmods: {folders: [], enabled: []}\n", encoding="utf-8")

    assert main(["--config", str(config), "bench", "server", "--clients", "1", "--turns", "1"]) == 1

    assert "no NPC to talk to" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said_in_words(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = temporary / "missing" / "figures.json"

    assert main(["bench", "server", "--clients", "1", "--turns", "1", "--json", str(missing)]) == 1

    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--clients", "0"], ["--turns", "-1"], ["--seconds", "nan"], ["--seconds", "0"]])
def test_a_count_or_a_time_that_makes_no_sense_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "server", *wrong])


def test_one_client_speaks_twenty_times_a_second_and_many_once() -> None:
    assert load_of(1, 400, 20).says_per_second == 20
    assert load_of(20, 400, 20).says_per_second == 20
    assert load_of(100, 400, 20).says_per_second == 100
    assert math.isclose(load_of(100, 400, 20).period_s, 1.0)


def test_warm_up_is_never_longer_than_what_is_measured_and_never_nothing() -> None:
    assert load_of(1, 400, 20).warm_up == 50
    assert load_of(1, 3, 20).warm_up == 3
    assert load_of(100, 400, 20).warm_up == 2
