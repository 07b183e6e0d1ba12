"""Texts as vectors, from static embeddings that the user gives: no model runs, a text is the mean of its words.

The weights are a folder that model2vec wrote (https://github.com/MinishLab/model2vec): `config.json`, `tokenizer.json`
and `model.safetensors`. Nothing here reaches for the network. The package is an optional extra, and is imported where
weights are named and nowhere else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from server.errors import ModelFileError

if TYPE_CHECKING:
    import numpy as np
    from model2vec import StaticModel
    from numpy.typing import NDArray

MAX_TOKENS = 256
INSTALL = "pip install 'barkeep[embeddings]'"


class Embedder(Protocol):
    """Turns texts into vectors. Called from several threads."""

    dimensions: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row of `dimensions` for each text, of length 1; of zeros where the text holds nothing that is known."""


class StaticEmbedder:
    """A model of model2vec."""

    def __init__(self, model: StaticModel) -> None:
        self.dimensions = model.dim
        self._model = model
        self._lock = threading.Lock()  # its tokenizer is set anew for each call, which fails while another one uses it

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        import numpy as np

        # A lone surrogate is text to a game and none to a tokenizer.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        with self._lock:
            found = self._model.encode(clean, max_length=MAX_TOKENS, use_multiprocessing=False)
        vectors = np.nan_to_num(np.asarray(found, np.float32).reshape(len(texts), self.dimensions))
        lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        unit: NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0.0)
        return unit


def open_embedder(folder: Path) -> StaticEmbedder:
    """Read the weights in `folder`.

    Raises:
        ModelFileError: there are none, they cannot be read, or the package for them is not installed.
    """
    if not (folder / "model.safetensors").is_file() and not (folder / "0_StaticEmbedding").is_dir():
        raise ModelFileError(
            f"There are no embeddings in {folder}.",
            "Set `memory.embeddings` to a folder of model2vec with a model.safetensors in it, or to null.",
        )
    # A game runs beside: a batch is not spread over all cores. Read as the library loads.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from model2vec import StaticModel
    except ImportError as error:
        raise ModelFileError("The embeddings need a package that is not installed: model2vec.", INSTALL) from error
    try:
        return StaticEmbedder(StaticModel.from_pretrained(folder, force_download=False))
    except Exception as error:  # the libraries below raise bare Exceptions at a file that is damaged
        raise ModelFileError(
            f"The embeddings in {folder} cannot be read: {error}", "Fetch the folder anew, or set another one."
        ) from error
