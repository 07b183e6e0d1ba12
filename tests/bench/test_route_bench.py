import gc
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.bench.figures import Spread
from server.bench.route.report import Measured, added, as_table
from server.cli import main


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    """The bench settles its process as `serve` does; the tests after it are not to run in a settled one."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_both_ways_are_measured_and_written_as_a_table_and_as_json(
    temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"

    assert main(["bench", "route", "--at-once", "1", "3", "--calls", "3", "--json", str(file)]) == 0

    found = json.loads(file.read_text(encoding="utf-8"))
    assert [row["at_once"] for row in found["rows"]] == [1, 3]
    for row in found["rows"]:
        assert set(row["ms"]) == {"first_text", "whole"}
        for spreads in row["ms"].values():
            assert set(spreads) == {"direct", "barkeep"}
            for spread in spreads.values():
                assert spread["samples"] >= 3
                assert 0 < spread["p50"] <= spread["p99"] <= spread["max"]
        assert row["ms"]["first_text"]["barkeep"]["p50"] < row["ms"]["whole"]["barkeep"]["p50"]
    table = capsys.readouterr().out
    assert "1 at once" in table
    assert "whole reply, barkeep" in table
    assert list(temporary.iterdir()) == []


def test_what_is_added_is_the_difference_of_percentiles() -> None:
    spreads = {"direct": Spread(9, 1.0, 2.0, 3.0), "barkeep": Spread(9, 1.25, 2.5, 4.0)}
    assert added(spreads, "barkeep") == (0.25, 0.5)
    assert added(spreads, "direct") == (0.0, 0.0)
    assert "0.250       0.500       9  added p99 <= 1" in as_table([Measured(1, spreads, spreads)])


def test_a_proxy_that_does_not_start_is_said_in_its_own_words(
    temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = tmp_path / "litellm"
    command.write_text("#!/bin/sh\necho no such thing here\nexit 3\n", encoding="utf-8")
    command.chmod(0o755)

    assert main(["bench", "route", "--litellm", str(command)]) == 1

    assert "no such thing here" in capsys.readouterr().err


def test_a_command_that_is_not_there_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "route", "--litellm", str(tmp_path / "nothing")]) == 1

    assert "cannot be started" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--calls", "0"], ["--at-once", "-1"]])
def test_a_count_that_makes_no_sense_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "route", *wrong])
