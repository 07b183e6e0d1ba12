"""Cards and lorebooks in a folder of personas: kept, found, replaced, and left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.cli import main
from server.errors import CardError
from server.personas import loader
from server.personas.library import PersonaLibrary
from server.personas.shelving import keep
from tests.personas.cards import forge

WORLD = {"entries": {"0": {"uid": 0, "key": ["tide"], "content": "The tide turns at noon.", "comment": "tide"}}}


def library(folder: Path) -> PersonaLibrary:
    shelf = PersonaLibrary([folder])
    shelf.load()
    return shelf


def test_a_card_dropped_into_the_folder_is_an_npc_and_another_edit_is_seen(tmp_path: Path) -> None:
    (tmp_path / "Tilda Quay.png").write_bytes(forge.png(forge.V2))
    shelf = library(tmp_path)
    assert shelf.ids() == ("tilda_quay",)
    assert shelf.problems() == ()
    assert shelf.has_books("tilda_quay")
    (tmp_path / "Tilda Quay.png").write_bytes(forge.png({**forge.V1, "name": "Tam"}))
    shelf.load()
    persona = shelf.get("tilda_quay")
    assert persona is not None
    assert persona.name == "Tam"
    assert not shelf.has_books("tilda_quay")


def test_a_broken_card_is_a_problem_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "tilda.png").write_bytes(forge.png(forge.V2)[:-8])
    [problem] = library(tmp_path).problems()
    assert "ends in the middle" in problem.message
    assert problem.hint


def test_a_book_belongs_to_its_npc_or_to_everyone(tmp_path: Path) -> None:
    keep(json.dumps(forge.V1).encode(), tmp_path)
    keep(json.dumps({**forge.V1, "name": "Bram"}).encode(), tmp_path)
    keep(json.dumps(WORLD).encode(), tmp_path, "tilda")
    shelf = library(tmp_path)
    assert (shelf.has_books("tilda"), shelf.has_books("bram")) == (True, False)
    keep(json.dumps(WORLD).encode(), tmp_path, "harbour")
    shelf.load()
    assert shelf.has_books("bram")


def test_an_id_that_is_taken_is_refused_unless_the_card_is_to_be_replaced(tmp_path: Path) -> None:
    kept = keep(forge.png(forge.V3), tmp_path)
    assert (kept.id, kept.path.name) == ("til", "til.png")
    with pytest.raises(CardError, match="already"):
        keep(forge.png(forge.V3), tmp_path)
    keep(forge.png({**forge.V3}), tmp_path, "til", is_replacing=True)
    with pytest.raises(CardError, match="already"):
        keep(json.dumps(forge.V3).encode(), tmp_path, "til", is_replacing=True)


@pytest.mark.parametrize("wanted", ["../up", "", "A", "a" * 65])
def test_an_id_never_becomes_another_path(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(CardError):
        keep(json.dumps(forge.V1).encode(), tmp_path, wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_name_becomes_an_id() -> None:
    assert [loader.id_of(name) for name in ("Old Tom!", "../../x", "Ünder", "猫")] == ["old_tom", "x", "nder", ""]


def test_a_card_goes_in_and_comes_out_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "personas"
    folder.mkdir()
    config = tmp_path / "config.yaml"
    config.write_text("personas: [personas]\nmods: {enabled: []}\n")
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    source.write_bytes(forge.png(forge.V3, "ccv3"))
    assert main(["card", "import", "--config", str(config), str(source), "--id", "tilda"]) == 0
    assert capsys.readouterr().out == "tilda\n"
    assert main(["card", "export", "--config", str(config), "tilda", str(out)]) == 0
    assert out.read_bytes() == source.read_bytes()
    assert main(["card", "export", "--config", str(config), "tilda", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_bytes()) == forge.V3
    assert "its picture is not in it" in capsys.readouterr().err
    assert main(["card", "show", str(source)]) == 0
    shown = capsys.readouterr()
    assert "nickname: Til" in shown.out
    assert "asset: icon main (png) embeded://assets/icon/images/main.png" in shown.out
    assert "its creator says: English." in shown.err
    assert main(["card", "export", "--config", str(config), "nobody", str(out)]) == 1
    assert "There is no persona nobody" in capsys.readouterr().err
