"""Recall by words and by meaning: two rankings made one by reciprocal rank fusion.

What is said in other words shares none with the question, and what is asked by name has no meaning to a static model;
each ranking finds what the other misses. Their scores cannot be compared, their ranks can: a memory is worth the sum
of share / (5 + rank) over both (Cormack, Clarke and Buettcher, SIGIR 2009, https://doi.org/10.1145/1571941.1572114).
Their 60 is for long lists: with it the last of what both found would come before the first of what words alone found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from server.memory.database import Connection
from server.memory.recall import Question, Recalled
from server.memory.recall_lexical import Search
from server.memory.recall_vectors import VectorIndex
from server.memory.timeline import VisiblePath

RANKS_EVEN = 5
MEANING_SHARE = 0.5
"""The mean of words says less than the words, whose share is 1: its first comes seventh."""
NEAREST = 30
"""So many at most are recalled by what they mean."""


class FusedRecall:
    """Remembers by words, and by what events mean where `vectors` has them."""

    def __init__(self, vectors: VectorIndex) -> None:
        self._vectors = vectors

    def recall(self, connection: Connection, path: VisiblePath, npc: str, question: Question) -> list[Recalled]:
        """See `Retriever`."""
        if not path or question.limit < 1:
            return []
        search = Search(connection, path, npc, question)
        by_words = search.by_words()
        count = NEAREST + min(len(question.exclude), NEAREST)
        alike = dict(self._vectors.nearest(connection, path, npc, question.text, before=question.before, limit=count))
        told = search.at(list(alike))
        by_meaning = [
            replace(one, why={**one.why, "meaning": round(alike[seq], 3)}) for seq, one in list(told.items())[:NEAREST]
        ]
        fused = fuse(by_words, by_meaning)[: question.limit]
        return fused or search.newest()


def fuse(by_words: Sequence[Recalled], by_meaning: Sequence[Recalled]) -> list[Recalled]:
    """Both rankings as one, best first, one memory an event; what words found is told as words found it."""
    found: dict[int, Recalled] = {}
    worth: dict[int, float] = {}
    for share, ranking in ((1.0, by_words), (MEANING_SHARE, by_meaning)):
        seen: set[int] = set()
        for rank, one in enumerate(ranking, 1):
            seq = one.event.seq
            if seq in seen:
                continue
            seen.add(seq)
            worth[seq] = worth.get(seq, 0.0) + share / (RANKS_EVEN + rank)
            before = found.get(seq)
            found[seq] = replace(before, why={**one.why, **before.why}) if before is not None else one
    order = sorted(found, key=lambda seq: (worth[seq], seq), reverse=True)
    return [replace(found[seq], score=round(worth[seq], 5)) for seq in order]
