"""The first lessons: lines of random tokens, and some of them again. Nothing predicts them but looking back.

A model that begins with talk learns its phrases first and its lists of words, and takes long to find out that names and
prices can be looked up. A few minutes of this come before.
"""

from __future__ import annotations

import random

import numpy as np

from server.bench.model.tokens import BOS, SPECIAL_TOKENS
from training.tokens import SAID, Shard

LENGTH = 400
_SPECIAL = len(SPECIAL_TOKENS)


def make_drills(seed: int, documents: int, vocabulary: int) -> Shard:
    """Lessons of `LENGTH` tokens; the same for the same seed."""
    tokens: list[int] = []
    marks: list[int] = []
    ends: list[int] = []
    for number in range(documents):
        ids, learnt = _lesson(random.Random(f"{seed}/{number}/lines"), vocabulary)
        tokens += ids
        marks += learnt
        ends.append(len(tokens))
    return Shard(np.array(tokens, np.uint16), np.array(marks, np.uint8), np.array(ends, np.int64))


def _lesson(rng: random.Random, vocabulary: int) -> tuple[list[int], list[int]]:
    lines = [_line(rng, vocabulary) for _ in range(rng.randint(2, 12))]
    ids, marks = [BOS], [0]
    for line in lines:
        ids += line
        marks += [0] * len(line)
    while len(ids) < LENGTH:
        line = rng.choice(lines)
        start = rng.randrange(max(1, len(line) - 4)) if rng.random() < 0.3 else 0
        ids += line[start:]
        marks += [0] + [SAID] * (len(line) - start - 1)
    return ids[:LENGTH], marks[:LENGTH]


def _line(rng: random.Random, vocabulary: int) -> list[int]:
    return [rng.randrange(_SPECIAL, vocabulary) for _ in range(rng.randint(4, 16))]
