from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.backends.llama.model import Model
from server.backends.llama.vocab import Vocabulary
from tests.support.llama import load
from tests.support.tiny_gguf import write_tiny_lfm2, write_tiny_llama


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_lfm2(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def vocabulary(tiny: Path) -> Vocabulary:
    return Vocabulary.load(tiny)


@pytest.fixture(scope="session")
def tiny_plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("models") / "plain.gguf")


@pytest.fixture
def model(tiny: Path) -> Iterator[Model]:
    with closing(load(tiny)) as model:
        yield model


@pytest.fixture
def plain(tiny_plain: Path) -> Iterator[Model]:
    with closing(load(tiny_plain)) as model:
        yield model
