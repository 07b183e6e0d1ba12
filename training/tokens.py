"""The corpus as token ids, made with the server's own tokenizer, in files of equal work for the trainer."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.backends.llama.vocab import Vocabulary
from training.corpus import Course, document
from training.encoder import SAID, encode
from training.lexicon import VALLEY

LONGEST = 2_048
"""Tokens; longer talks are left out: a processor's attention costs the square."""


class Document(NamedTuple):
    """A talk as ids, marks, lookups, copies and labels (see `Shard`)."""

    tokens: NDArray[np.uint16]
    learnt: NDArray[np.uint8]
    lookups: NDArray[np.int32]
    copies: NDArray[np.int32]
    labels: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Shard:
    """Documents end to end. `learnt` is a mark or 0 for each token.

    `lookups` are (lookups, 4): the token before the first that is told, the first and the end of the line that it is
    told from, and the first of the question. `copies` are (copies, 2): the token before one that is said, and one that
    it is a copy of. `labels` are (labels, 3): a token, which of LABELS it should tell, and the token that told it so or
    NOWHERE. `ends` are (documents, 4): where each ends in tokens, lookups, copies and labels.
    """

    tokens: NDArray[np.uint16]
    learnt: NDArray[np.uint8]
    lookups: NDArray[np.int32]
    copies: NDArray[np.int32]
    labels: NDArray[np.int32]
    ends: NDArray[np.int64]

    def __iter__(self) -> Iterator[Document]:
        """Each document."""
        begins = np.concatenate((np.zeros((1, 4), np.int64), self.ends[:-1]))
        for first, last in zip(begins, self.ends, strict=True):
            tokens, lookups, copies, labels = (slice(*both) for both in zip(first, last, strict=True))
            yield Document(
                self.tokens[tokens],
                self.learnt[tokens],
                self.lookups[lookups],
                self.copies[copies],
                self.labels[labels],
            )

    def save(self, path: Path) -> None:
        """Write it."""
        np.savez(path, **{each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Shard:
        """Read it."""
        with np.load(path) as data:
            return cls(**{each.name: data[each.name] for each in fields(cls)})


@cache
def _vocabulary(path: Path) -> Vocabulary:
    return Vocabulary.load(path)


@dataclass(frozen=True, slots=True)
class Job:
    """The talks `first` to `end` of a seed and a course."""

    vocabulary: Path
    seed: int
    first: int
    end: int
    setting: Path = VALLEY
    course: Course = "talk"


def make_shard(job: Job) -> Shard:
    """A job's talks."""
    vocabulary = _vocabulary(job.vocabulary)
    tokens: list[int] = []
    learnt: list[int] = []
    lookups: list[tuple[int, ...]] = []
    copies: list[tuple[int, ...]] = []
    labels: list[tuple[int, ...]] = []
    ends: list[tuple[int, ...]] = []
    for number in range(job.first, job.end):
        made = encode(vocabulary, document(job.seed, number, setting=job.setting, course=job.course))
        if len(made.ids) <= LONGEST:
            tokens += made.ids
            learnt += made.marks
            lookups += made.lookups
            copies += made.copies
            labels += made.labels
            ends.append((len(tokens), len(lookups), len(copies), len(labels)))
    return Shard(
        np.array(tokens, np.uint16),
        np.array(learnt, np.uint8),
        np.array(lookups, np.int32).reshape(-1, 4),
        np.array(copies, np.int32).reshape(-1, 2),
        np.array(labels, np.int32).reshape(-1, 3),
        np.array(ends, np.int64).reshape(-1, 4),
    )


def write_shards(folder: Path, jobs: Mapping[str, Job]) -> None:
    """Write each job's talks into a file of its name in `folder`, with two processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for number, (name, shard) in enumerate(zip(jobs, pool.imap(make_shard, jobs.values()), strict=True), 1):
            shard.save(folder / f"{name}.npz")
            print(
                f"shard {number} of {len(jobs)}: {len(shard.ends)} talks, {len(shard.tokens)} tokens, "
                f"{int(((shard.learnt & 3) >= SAID).sum())} learnt, {len(shard.lookups)} looked up",
                flush=True,
            )
