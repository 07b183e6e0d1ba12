"""`timeline`, `export`, `import` and `gc`, as they are called."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from server.cli import main
from server.memory.store import Memory
from tests.memory.builders import talk, tell

HILDA = "id: hilda\nname: Hilda\nmood: cross\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two installations, `a` and `b`; the first has lived, and has a persona."""
    for name in "ab":
        (tmp_path / name / "personas").mkdir(parents=True)
        config = f"data_dir: {tmp_path}/{name}/data\npersonas: [{tmp_path}/{name}/personas]\nmods: {{enabled: []}}\n"
        (tmp_path / name / "config.yaml").write_text(config, encoding="utf-8")
    (tmp_path / "a" / "personas" / "hilda.yaml").write_text(HILDA, encoding="utf-8")
    asyncio.run(lived(tmp_path / "a" / "data"))
    return tmp_path


async def lived(folder: Path) -> None:
    memory = await Memory.open(folder)
    await tell(memory, "the bell rang", "hilda", time=3 * 86_400.0)
    await memory.save("default", "quick", None, 3 * 86_400.0 + 7_200)
    await talk(memory, "Goodbye.", "hilda", "Undone.")
    await memory.load("default", "quick")
    await talk(memory, "Hello?", "hilda", "Well met.")
    await tell(memory, "elsewhere", "ansel", world="other")
    await memory.close()


def run(place: Path, which: str, *words: str) -> int:
    return main(["--config", str(place / which / "config.yaml"), *words])


def test_the_tree_shows_branches_saves_and_the_present(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "a", "timeline", "default") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "default: 5 events, 2 branches, 1 save"
    shapes = [line.partition("(")[0] for line in lines[1:]]
    assert shapes == ["└─ branch 1 ", '   └─ save "quick" ', "      └─ branch 2 "]
    assert "day 4 02:00" in lines[2]
    assert [line.endswith("<- the present") for line in lines[1:]] == [False, False, True]


def test_without_a_world_all_are_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(place, "a", "timeline")
    assert "other: 1 event, 1 branch, 0 saves" in capsys.readouterr().out
    run(place, "a", "timeline", "--json")
    assert [each["world"] for each in json.loads(capsys.readouterr().out)] == ["default", "other"]


def test_a_timeline_can_be_looked_at_while_a_server_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def beside() -> int:
        memory = await Memory.open(place / "a" / "data")
        try:
            return await asyncio.to_thread(run, place, "a", "timeline")
        finally:
            await memory.close()

    assert asyncio.run(beside()) == 0


@pytest.mark.parametrize("words", [("timeline",), ("gc",), ("export", "default", "out.json")])
def test_where_nothing_was_remembered_yet_that_is_said(
    place: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(place, "b", *words) == 1
    assert "no memory" in capsys.readouterr().err


def test_a_world_that_is_not_there_is_told_with_those_that_are(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "a", "timeline", "nowhere") == 1
    assert "default, other" in capsys.readouterr().err


def test_an_npc_moves_with_its_persona(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "hilda.json"
    assert run(place, "a", "export", "default", "hilda", str(file)) == 0
    assert run(place, "b", "import", str(file), "--world", "second") == 0
    told = capsys.readouterr().err
    assert "hilda remembers 3 events in the world second" in told
    assert (place / "b" / "personas" / "hilda.yaml").read_text(encoding="utf-8") == HILDA
    assert run(place, "b", "import", str(file), "--world", "second") == 1
    assert "already" in capsys.readouterr().err


def test_a_persona_that_is_there_stays(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = place / "b" / "personas" / "hilda.yaml"
    own.write_text("id: hilda\nname: Hilda Marsh\n", encoding="utf-8")
    run(place, "a", "export", "default", str(place / "world.json"))
    assert run(place, "b", "import", str(place / "world.json")) == 0
    assert "another persona" in capsys.readouterr().err
    assert "Marsh" in own.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"personas": {"hilda": {"id": "hilda"}}},
        {"personas": {"../hilda": {"id": "../hilda", "name": "H"}}},
        {"personas": {"hilda": {"id": "ansel", "name": "H"}}},
        {"tables": {"personas": [{"branch": 1, "seq": 1, "npc": "hilda", "patch": {"sword": 1}}]}},
    ],
)
def test_a_persona_that_cannot_be_one_is_refused(
    place: Path, change: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    run(place, "a", "export", "default", str(place / "world.json"))
    data = json.loads((place / "world.json").read_text(encoding="utf-8")) | change
    (place / "bad.json").write_text(json.dumps(data), encoding="utf-8")
    assert run(place, "b", "import", str(place / "bad.json")) == 1
    assert "error: personas" in capsys.readouterr().err
    assert not (place / "b" / "data" / "memory.db").exists()


def test_a_file_that_is_not_there_is_told_in_words(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "b", "import", str(place / "none.json")) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_clearing_up_says_what_it_would_delete_and_does_so_only_on_demand(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("gc",), ("gc",), ("gc", "default", "--yes")):
        assert run(place, "a", *words) == 0
        assert "2 in events" in capsys.readouterr().out
    assert run(place, "a", "gc") == 0
    assert "nothing" in capsys.readouterr().out
    run(place, "a", "timeline", "default")
    assert "default: 3 events" in capsys.readouterr().out
