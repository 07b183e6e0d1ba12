from __future__ import annotations

import sys
from pathlib import Path

import pytest

from server.errors import ModelFileError
from server.memory.embedding import open_embedder
from tests.support.embeddings import write_embeddings


def test_words_of_one_meaning_are_alike(tmp_path: Path) -> None:
    embedder = open_embedder(write_embeddings(tmp_path))
    cat, pet, rain = embedder.embed(["My cat.", "a PET", "rain"])
    assert embedder.dimensions == len(cat) == 4
    assert cat @ pet == pytest.approx(1.0)
    assert cat @ rain == pytest.approx(0.0)


@pytest.mark.parametrize("text", ["", "\ud800", "nothing known", "\0", "x" * 100_000])
def test_a_text_without_meaning_is_like_nothing(tmp_path: Path, text: str) -> None:
    [vector] = open_embedder(write_embeddings(tmp_path)).embed([text])
    assert not vector.any()


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no embeddings") as caught:
        open_embedder(tmp_path)
    assert "memory.embeddings" in caught.value.hint


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (write_embeddings(tmp_path) / name).write_bytes(b"\xff{ not this")
    with pytest.raises(ModelFileError, match="cannot be read"):
        open_embedder(tmp_path)


def test_without_the_package_the_hint_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_embeddings(tmp_path)
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(ModelFileError, match="model2vec") as caught:
        open_embedder(folder)
    assert "barkeep[embeddings]" in caught.value.hint
