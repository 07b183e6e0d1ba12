"""Transcripts on the pages: what a command prints there is what it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from server.backends.llama import supervisor
from server.cli import main
from server.cli.spend import limits_told, table
from server.config import SpendSettings
from server.memory.lock import DataDirLock
from server.memory.spend import Spent
from server.personas.loader import read
from tests.docs import pages

TALKS = ["README.md", "docs/first-conversation.md"]
HILDA = pages.ROOT / "personas" / "hilda.yaml"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh checkout's configuration: the shipped file, with a port and a data folder that nobody uses."""
    monkeypatch.setenv("BARKEEP__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BARKEEP__SERVER__PORT", "0")
    return tmp_path


def transcripts(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words of each command, and the lines that follow it."""
    import shlex

    for block in pages.blocks(pages.read(page), "console"):
        command, *printed = block.text.splitlines()
        _, *words = shlex.split(command.removeprefix("$ "))
        yield words, printed


def normal(text: str) -> str:
    return re.sub(r"process \d+", "process N", re.sub(r"folder \S+", "folder F", text))


def authored(text: str) -> bool:
    persona = read(HILDA).persona
    assert persona is not None
    return any(text in topic.lines for topic in persona.authored.topics)


@pytest.mark.parametrize("page", TALKS)
def test_a_misspelt_name_is_met_as_shown(page: str, fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, printed in transcripts(page):
        if printed[0].startswith("error:"):
            assert main(words) == 1
            assert capsys.readouterr().err.splitlines() == printed


@pytest.mark.engine
@pytest.mark.parametrize("page", TALKS)
def test_a_talk_with_the_model_that_ships_ends_as_shown(
    page: str, fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, printed = next(talk for talk in transcripts(page) if "(house model:" in talk[1][-1])
    code = main(words)
    said = capsys.readouterr()
    assert (code, said.err.splitlines()[-1]) == (0, printed[-1])
    assert said.out.strip()


def test_a_talk_without_any_model_goes_as_shown(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supervisor, "installed", lambda: False)
    words, printed = next(talk for talk in transcripts(TALKS[1]) if "authored answered" in talk[1][-1])
    code = main(words)
    said = capsys.readouterr()
    line, *remark = printed
    assert (code, said.err.splitlines()) == (0, remark)
    assert authored(line), "the page shows a line that Hilda has"
    assert authored(said.out.strip())


def test_a_second_server_says_who_holds_the_folder(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, printed = next(transcripts("docs/operations.md"))
    lock = DataDirLock.take(fresh / "data")
    try:
        assert main(words) == 1
    finally:
        lock.release()
    assert normal(capsys.readouterr().err).splitlines() == [normal(line) for line in printed]


def test_spend_prints_a_table_like_the_one_shown() -> None:
    (printed,) = (printed for words, printed in transcripts("docs/operations.md") if words[:1] == ["spend"])
    days = [
        Spent("2026-05-01", 212, 301_040, 220_416, 9_120, 0.0131),
        Spent("2026-05-02", 17, 24_310, 15_104, 702, 0.001),
    ]
    assert [*table("day", days).splitlines(), "", limits_told(SpendSettings())] == printed


@pytest.mark.engine
def test_the_price_that_the_first_conversation_sets_is_the_price_that_is_told(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (part,) = pages.blocks(pages.read("docs/first-conversation.md"), title="personas/hilda.yaml")
    (rooms,) = yaml.safe_load(part.text)["knowledge"]
    folder = fresh / "personas"
    folder.mkdir()
    persona = yaml.safe_load(HILDA.read_text(encoding="utf-8"))
    persona["knowledge"][0] = rooms
    del persona["examples"]
    (folder / "hilda.yaml").write_text(yaml.safe_dump(persona), encoding="utf-8")
    monkeypatch.setenv("BARKEEP__PERSONAS", f"['{folder}']")
    monkeypatch.setenv("BARKEEP__ROUTES__HOUSE__TEMPERATURE", "0")
    assert main(["talk", "hilda", "Any rooms left?"]) == 0
    assert "nineteen" in capsys.readouterr().out
