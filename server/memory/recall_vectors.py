"""The vectors of what happened, and which of an NPC's own lie nearest to a question. Held in memory, made by batches.

They are made again after a start: thousands of texts a second need no file. The newest `KEPT` events of all worlds
have one, and of what one NPC witnessed in one branch the newest `SEARCHED` are compared; what lies further back is
found by its words.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from server.memory.database import Connection
from server.memory.embedding import Embedder
from server.memory.timeline import VisiblePath

KEPT = 65_536
SEARCHED = 16_384
READY = 65_536
"""So many vectors lie ready side by side with those of their NPC and branch; who was asked longest ago goes."""
BEFORE_SHARE, AFTER_SHARE = 0.8, 0.4
"""Of what the texts beside one mean: an answer seldom means what its question does."""
LEAST_ALIKE = 0.3
"""Cosines below this are chance: two sentences of everyday English seldom have less than 0.1."""
_FIRST_ROWS = 64

_UNREAD = "SELECT seq, text FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_WITNESSED = """
    SELECT seq FROM witnesses WHERE npc = ? AND branch = ? AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ?
"""

Seqs = NDArray[np.int64]
Floats = NDArray[np.float32]


class Rows:
    """Vectors by rising seq; past `most` the older half goes. One thread adds, any thread looks."""

    def __init__(self, dimensions: int, most: int) -> None:
        self._most = most
        self._seqs: Seqs = np.zeros(_FIRST_ROWS, np.int64)
        self._vectors: Floats = np.zeros((_FIRST_ROWS, dimensions), np.float32)
        self.held: tuple[Seqs, Floats] = self._seqs[:0], self._vectors[:0]
        """What there is. A look that began goes on with what it took."""

    @property
    def last(self) -> int:
        """The newest seq; 0 where there is none."""
        seqs = self.held[0]
        return int(seqs[-1]) if len(seqs) else 0

    def add(self, seqs: Seqs, vectors: Floats) -> None:
        """Add what is newer than everything held."""
        held, kept = self.held
        if len(held) + len(seqs) > self._most:
            half = self._most // 2
            held, kept = held[-half:], kept[-half:]
            seqs, vectors = seqs[-half:], vectors[-half:]
        count = len(held) + len(seqs)
        if count > len(self._seqs) or held is not self.held[0]:
            # Moved, not overwritten: another thread may be looking.
            room = max(_FIRST_ROWS, min(2 * count, self._most))
            self._seqs, old_seqs = np.zeros(room, np.int64), held
            self._vectors, old_vectors = np.zeros((room, kept.shape[1]), np.float32), kept
            self._seqs[: len(held)], self._vectors[: len(held)] = old_seqs, old_vectors
        self._seqs[len(held) : count], self._vectors[len(held) : count] = seqs, vectors
        self.held = self._seqs[:count], self._vectors[:count]


def _with_neighbours(alike: Floats) -> Floats:
    """Each with a share of those that the same NPC witnessed just before and after."""
    lifted = alike.copy()
    lifted[1:] += BEFORE_SHARE * alike[:-1]
    lifted[:-1] += AFTER_SHARE * alike[1:]
    return lifted


class VectorIndex:
    """Which events mean what. `unread` and `nearest` run in the thread that reads, `add` in any one other."""

    def __init__(self, embedder: Embedder, *, kept: int = KEPT, searched: int = SEARCHED) -> None:
        self.embedder = embedder
        self._kept = kept
        self._searched = searched
        self._all = Rows(embedder.dimensions, kept)
        self._stretches: OrderedDict[tuple[str, int], tuple[int, Rows]] = OrderedDict()

    def unread(self, connection: Connection, limit: int) -> list[tuple[int, str]]:
        """The next `limit` events without a vector, oldest first: seq and text."""
        last = self._all.last
        if not last:
            [(newest,)] = connection.execute("SELECT max(seq) FROM events")
            last = max(0, (newest or 0) - self._kept // 2)
        return connection.execute(_UNREAD, (last, limit)).fetchall()

    def add(self, read: list[tuple[int, str]], vectors: Floats) -> None:
        """Keep the vectors of events that `unread` gave; those that are held already change nothing."""
        seqs = np.array([seq for seq, _ in read], np.int64)
        fresh = seqs > self._all.last
        if fresh.any():
            self._all.add(seqs[fresh], vectors[fresh])

    def nearest(
        self, connection: Connection, path: VisiblePath, npc: str, text: str, *, before: int, limit: int
    ) -> list[tuple[int, float]]:
        """What `npc` witnessed along `path` before `before` that is most like `text`: seqs and how like, best first."""
        if not self._all.last:
            return []
        [asked] = self.embedder.embed([text])
        found: list[tuple[int, float]] = []
        for reach in path:
            seqs, vectors = self._stretch(connection, npc, reach.branch).held
            end = int(np.searchsorted(seqs, min(reach.up_to, before - 1), side="right"))
            alike = _with_neighbours(vectors[:end] @ asked)
            best = np.argpartition(alike, -limit)[-limit:] if end > limit else np.arange(end)
            found += [(int(seqs[at]), float(alike[at])) for at in best if alike[at] >= LEAST_ALIKE]
        return sorted(found, key=lambda one: (one[1], one[0]), reverse=True)[:limit]

    def _stretch(self, connection: Connection, npc: str, branch: int) -> Rows:
        """The vectors of what `npc` witnessed in `branch`, brought up to date: witnesses are only ever added."""
        key = (npc, branch)
        read_to, rows = self._stretches.pop(key, (0, Rows(self.embedder.dimensions, self._searched)))
        held, vectors = self._all.held
        last = int(held[-1])
        if last > read_to:
            new = connection.execute(_WITNESSED, (npc, branch, max(read_to, int(held[0]) - 1), last, self._searched))
            seqs = np.array([seq for (seq,) in new][::-1], np.int64)
            at = np.searchsorted(held, seqs)
            rows.add(seqs, vectors[at])
        self._stretches[key] = last, rows
        ready = sum(len(each.held[0]) for _, each in self._stretches.values())
        while ready > READY and len(self._stretches) > 1:
            _, (_, oldest) = self._stretches.popitem(last=False)
            ready -= len(oldest.held[0])
        return rows
