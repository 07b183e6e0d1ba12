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
    """A talk as ids, marks, lookups and labels (see `Shard`)."""

    tokens: NDArray[np.uint16]
    learnt: NDArray[np.uint8]
    lookups: NDArray[np.int32]
    labels: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Shard:
    """Documents end to end. `learnt` is a mark or 0 for each token; `ends` are where documents end.

    `lookups` are (lookups, 4): for each document's, the token before the first that is told, the first and the end of
    the line that it is told from, and the first of the question. `labels` are (labels, 3): a token, which of LABELS
    it should tell, and the token that told it so or NOWHERE. `lookup_ends` and `label_ends` are where documents end in
    them.
    """

    tokens: NDArray[np.uint16]
    learnt: NDArray[np.uint8]
    ends: NDArray[np.int64]
    lookups: NDArray[np.int32]
    lookup_ends: NDArray[np.int64]
    labels: NDArray[np.int32]
    label_ends: NDArray[np.int64]

    def __iter__(self) -> Iterator[Document]:
        """Each document."""
        ends = np.stack((self.ends, self.lookup_ends, self.label_ends), axis=1)
        begins = np.concatenate((np.zeros((1, 3), np.int64), ends[:-1]))
        for (begin, lookup, label), (end, last_lookup, last_label) in zip(begins, ends, strict=True):
            yield Document(
                self.tokens[begin:end],
                self.learnt[begin:end],
                self.lookups[lookup:last_lookup],
                self.labels[label:last_label],
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
    lookups: list[tuple[int, int, int, int]] = []
    labels: list[tuple[int, int, int]] = []
    ends: list[tuple[int, int, int]] = []
    for number in range(job.first, job.end):
        made = encode(vocabulary, document(job.seed, number, setting=job.setting, course=job.course))
        if len(made.ids) <= LONGEST:
            tokens += made.ids
            learnt += made.marks
            lookups += made.lookups
            labels += made.labels
            ends.append((len(tokens), len(lookups), len(labels)))
    all_ends = np.array(ends, np.int64).reshape(-1, 3)
    return Shard(
        np.array(tokens, np.uint16),
        np.array(learnt, np.uint8),
        all_ends[:, 0],
        np.array(lookups, np.int32).reshape(-1, 4),
        all_ends[:, 1],
        np.array(labels, np.int32).reshape(-1, 3),
        all_ends[:, 2],
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
