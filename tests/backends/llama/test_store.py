from __future__ import annotations

from pathlib import Path

import pytest

from server.backends.llama import machine, store
from server.backends.llama.catalogue import KNOWN_MODELS
from server.backends.llama.store import HOUSE_FILE, listing, missing_hint, resolve
from server.config import LlamaRoute, Settings

DEFAULT = LlamaRoute(kind="llama")


def settings(**routes: object) -> Settings:
    return Settings.model_validate({"routes": {name: {"kind": "llama", **route} for name, route in routes.items()}})  # type: ignore[dict-item]  # maps by construction


def test_a_file_of_the_hub_lies_in_the_model_folder(tmp_path: Path) -> None:
    assert resolve(DEFAULT, tmp_path) is None
    path = tmp_path / DEFAULT.file
    path.touch()
    assert resolve(DEFAULT, tmp_path) == path
    assert resolve(DEFAULT.model_copy(update={"file": f"../../quants/{DEFAULT.file}"}), tmp_path) == path


def test_a_path_wins_over_the_name(tmp_path: Path) -> None:
    (tmp_path / DEFAULT.file).touch()
    own = tmp_path / "own.gguf"
    route = DEFAULT.model_copy(update={"path": own})
    assert resolve(route, tmp_path) is None
    own.touch()
    assert resolve(route, tmp_path) == own
    assert str(own) in missing_hint(route, tmp_path)


def test_the_default_route_names_a_known_model() -> None:
    assert (DEFAULT.model, DEFAULT.file) in {(known.repo, known.file) for known in KNOWN_MODELS}


def test_the_list_says_what_is_there_and_who_uses_it(tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"x" * 10)
    (tmp_path / DEFAULT.file).write_bytes(b"x" * 20)
    elsewhere = tmp_path / "elsewhere" / "other.gguf"
    rows = listing(tmp_path, settings(local={}, second={"path": str(elsewhere)}))
    assert (rows[0].file, rows[0].present) == (HOUSE_FILE.name, HOUSE_FILE.is_file())
    known = rows[1 : len(KNOWN_MODELS) + 1]
    assert [(row.repo, row.file) for row in known] == [(one.repo, one.file) for one in KNOWN_MODELS]
    found = {row.file: row for row in rows}
    assert (found[DEFAULT.file].present, found[DEFAULT.file].size_bytes, found[DEFAULT.file].routes) == (
        True,
        20,
        ("local",),
    )
    assert (found["mine.gguf"].present, found["mine.gguf"].size_bytes, found["mine.gguf"].routes) == (True, 10, ())
    assert (found["other.gguf"].present, found["other.gguf"].routes) == (False, ("second",))
    assert not found["LFM2-350M-Q4_K_M.gguf"].present
    assert len(rows) == len(found)


def test_a_folder_that_does_not_exist_lists_the_known_models(tmp_path: Path) -> None:
    assert len(listing(tmp_path / "none", settings())) == 1 + len(KNOWN_MODELS)


@pytest.mark.parametrize(("memory", "expected"), [(4 * 10**9, True), (2 * 10**9, False), (None, None)])
def test_a_model_fits_where_the_game_keeps_its_room(
    monkeypatch: pytest.MonkeyPatch, memory: int | None, expected: bool | None
) -> None:
    monkeypatch.setattr(store, "memory_bytes", lambda: memory)
    assert store.fits(1_563_668_704, 16_384) is expected


def test_this_machine_says_how_much_memory_it_has() -> None:
    memory = machine.memory_bytes()
    assert memory is None or memory > 10**8


def test_the_house_model_is_a_file_of_this_package(tmp_path: Path) -> None:
    route = Settings().routes["house"]
    assert isinstance(route, LlamaRoute)
    assert route.is_house
    assert resolve(route, tmp_path) == HOUSE_FILE
    assert HOUSE_FILE.stat().st_size <= 8_000_000
    assert listing(tmp_path, Settings())[0].routes == ("house",)


def test_a_house_model_that_is_missing_says_that_the_copy_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "HOUSE_FILE", tmp_path / "gone.gguf")
    route = LlamaRoute(kind="llama", model="house")
    assert resolve(route, tmp_path) is None
    assert "not whole" in missing_hint(route, tmp_path)
