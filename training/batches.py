"""What is read in each step: talks of about one length, in an order that a seed decides."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.tokens import Document, Shard

LENGTHS = (432, 576, 864, 1_152, 1_728)
"""Talks are padded to one of these: each is compiled once."""
PAD = 0


class Batch(NamedTuple):
    """Tokens and marks, each (talks, length), lookups, (lookups, 5), copies, (copies, 3), and labels, (labels, 4).

    The last three begin with the talk; the rest is as in `Shard`.
    """

    ids: Tensor
    marks: Tensor
    lookups: Tensor
    copies: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Reading:
    """Which batches are read: of so many `tokens` each, in the order of a `seed`, those of one of several workers."""

    tokens: int
    seed: int
    worker: int = 0
    workers: int = 1


def batches(folder: Path, reading: Reading, start: int = 0) -> Iterator[Batch]:
    """What one worker reads of the token files in a folder; from step `start` on, and for ever."""
    number = 0
    epoch = 0
    while True:
        shards = sorted(folder.glob("*.npz"))
        rng = random.Random(f"{reading.seed}/{epoch}")
        order = shards[:]
        if epoch:  # the first time in order: drills stand before whole talks
            rng.shuffle(order)
        for path in order:
            made = _batches_of(Shard.load(path), reading.tokens, rng)
            for batch in made:
                if number // reading.workers >= start and number % reading.workers == reading.worker:
                    yield _padded(batch)
                number += 1
        epoch += 1


def _batches_of(shard: Shard, tokens: int, rng: random.Random) -> list[list[Document]]:
    buckets: dict[int, list[Document]] = {length: [] for length in LENGTHS}
    made = []
    talks = list(shard)
    rng.shuffle(talks)
    for talk in talks:
        if len(talk.tokens) > LENGTHS[-1]:
            continue
        length = next(each for each in LENGTHS if len(talk.tokens) <= each)
        buckets[length].append(talk)
        if len(buckets[length]) == tokens // length:
            made.append(buckets[length])
            buckets[length] = []
    rng.shuffle(made)
    return made


def _padded(batch: list[Document]) -> Batch:
    length = next(each for each in LENGTHS if max(len(talk.tokens) for talk in batch) <= each)
    ids = np.full((len(batch), length), PAD, np.int64)
    marks = np.zeros((len(batch), length), np.uint8)
    lookups, copies, labels = [], [], []
    for row, talk in enumerate(batch):
        ids[row, : len(talk.tokens)] = talk.tokens
        marks[row, : len(talk.learnt)] = talk.learnt
        lookups += [(row, *map(int, one)) for one in talk.lookups]
        copies += [(row, *map(int, one)) for one in talk.copies]
        labels += [(row, *map(int, one)) for one in talk.labels]
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(marks),
        torch.tensor(lookups, dtype=torch.long).reshape(-1, 5),
        torch.tensor(copies, dtype=torch.long).reshape(-1, 3),
        torch.tensor(labels, dtype=torch.long).reshape(-1, 4),
    )
