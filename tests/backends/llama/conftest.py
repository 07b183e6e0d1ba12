from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.backends.llama.model import Model
from server.backends.llama.native import library, native_log
from server.backends.llama.vocab import Vocabulary
from tests.support.tiny_gguf import write_tiny_lfm2


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_lfm2(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def vocabulary(tiny: Path) -> Vocabulary:
    return Vocabulary.load(tiny)


@pytest.fixture
def model(tiny: Path) -> Iterator[Model]:
    native_log()
    model = Model(library(), str(tiny), context=1024, threads=1, gpu_layers=0)
    yield model
    model.close()
