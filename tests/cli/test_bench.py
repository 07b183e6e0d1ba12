import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.bench import server_bench
from server.bench.load import Load
from server.bench.report import Measured
from server.cli import main
from server.config import Settings


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Load]:
    seen: list[Load] = []

    def run(settings: Settings, loads: Sequence[Load]) -> list[Measured]:
        seen.extend(loads)
        return []

    monkeypatch.setattr(server_bench, "run", run)
    return seen


def test_one_client_and_a_hundred_are_measured_unless_told_otherwise(loads: list[Load]) -> None:
    assert main(["bench", "server"]) == 0
    assert [load.clients for load in loads] == [1, 100]


def test_the_load_is_what_was_asked_for(loads: list[Load], tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    asked = ["--clients", "3", "7", "--turns", "5", "--seconds", "2", "--json", str(found)]
    assert main(["bench", "server", *asked]) == 0
    assert [(load.clients, load.turns, load.seconds) for load in loads] == [(3, 5, 2), (7, 5, 2)]
    assert json.loads(found.read_text("utf-8"))["runs"] == []


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_load_of_nobody_is_refused(count: str, loads: list[Load]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench", "server", "--clients", count])
    assert exit_.value.code == 2
    assert loads == []
