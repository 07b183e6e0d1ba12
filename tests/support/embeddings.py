"""Static embeddings so small that a test knows what they mean: words of one row mean the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

MEANINGS = (
    ("cat", "pet", "kitten"),
    ("promoted", "lead", "boss"),
    ("house", "home", "flat"),
    ("rain", "storm", "weather"),
)


def write_embeddings(folder: Path) -> Path:
    """Write a model of model2vec. The test is left out where that is not installed."""
    model2vec = pytest.importorskip("model2vec")
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0} | {
        word: number for number, word in enumerate((word for row in MEANINGS for word in row), start=1)
    }
    vectors = np.zeros((len(vocabulary), len(MEANINGS)), np.float32)
    for dimension, row in enumerate(MEANINGS):
        for word in row:
            vectors[vocabulary[word], dimension] = 1.0
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model2vec.StaticModel(vectors, tokenizer, {}, normalize=True).save_pretrained(folder)
    return folder
