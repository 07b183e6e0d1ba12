"""The corpus as token ids, made with the server's own tokenizer, in files of equal work for the trainer."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.backends.llama.vocab import Vocabulary
from server.bench.model.tokens import BOS
from server.text.segments import Close, Open
from training.corpus import Course, Piece, document
from training.lexicon import VALLEY

SAID, HEARD = 2, 1
"""Marks of a token: the model should have said it, or somebody else did."""
LONGEST = 2_048
"""Tokens; longer talks are left out: a processor's attention costs the square."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Documents end to end. `learnt` is SAID, HEARD or 0 for each token; `ends` are where documents end."""

    tokens: NDArray[np.uint16]
    learnt: NDArray[np.uint8]
    ends: NDArray[np.int64]

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.uint8]]]:
        """Each document's tokens and marks."""
        begin = 0
        for end in self.ends:
            yield self.tokens[begin:end], self.learnt[begin:end]
            begin = int(end)

    def save(self, path: Path) -> None:
        """Write it."""
        np.savez(path, tokens=self.tokens, learnt=self.learnt, ends=self.ends)

    @classmethod
    def load(cls, path: Path) -> Shard:
        """Read it."""
        with np.load(path) as data:
            return cls(data["tokens"], data["learnt"], data["ends"])


@cache
def _vocabulary(path: Path) -> Vocabulary:
    return Vocabulary.load(path)


def encode(vocabulary: Vocabulary, pieces: list[Piece]) -> tuple[list[int], list[int]]:
    """One talk as ids and marks. A turn's closing token is learnt with it, the line feed after it is not."""
    ids, marks = [BOS], [0]
    for piece in pieces:
        part = vocabulary.encode_segments([piece.segment])
        mark = SAID if piece.learnt else HEARD if piece.heard else 0
        ids += part
        match piece.segment:
            case Open():
                marks += [0] * len(part)
            case Close():
                marks += [mark, *[0] * (len(part) - 1)]
            case _:
                marks += [mark] * len(part)
    return ids, marks


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
    ends: list[int] = []
    for number in range(job.first, job.end):
        ids, marks = encode(vocabulary, document(job.seed, number, setting=job.setting, course=job.course))
        if len(ids) <= LONGEST:
            tokens += ids
            learnt += marks
            ends.append(len(tokens))
    return Shard(np.array(tokens, np.uint16), np.array(learnt, np.uint8), np.array(ends, np.int64))


def write_shards(folder: Path, jobs: Mapping[str, Job]) -> None:
    """Write each job's talks into a file of its name in `folder`, with two processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for number, (name, shard) in enumerate(zip(jobs, pool.imap(make_shard, jobs.values()), strict=True), 1):
            shard.save(folder / f"{name}.npz")
            print(
                f"shard {number} of {len(jobs)}: {len(shard.ends)} talks, {len(shard.tokens)} tokens, "
                f"{int((shard.learnt == SAID).sum())} learnt",
                flush=True,
            )
