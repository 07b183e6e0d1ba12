"""What an NPC remembers when something is said: the retriever's interface, and the plain one that ships."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Protocol

from server.memory.database import Connection
from server.memory.events import newest_texts, newest_witnessed
from server.memory.records import StoredEvent
from server.memory.timeline import VisiblePath

WINDOW = 256
_CACHED_TEXTS = 4_096
_WORD = re.compile(r"\w{4,}")  # shorter ones are mostly particles, and match everything


class Retriever(Protocol):
    """Picks memories. It runs in the database's read thread."""

    def recall(
        self,
        connection: Connection,
        path: VisiblePath,
        npc: str,
        query: str,
        limit: int,
        *,
        before: int | None,
        exclude: frozenset[int],
    ) -> list[StoredEvent]:
        """At most `limit` events that `npc` witnessed along `path`, best first.

        None has a seq at or after `before`, and none is in `exclude`.
        """


class RecentWords:
    """Of the last events, those that share the most words with the query; the newest first among equals."""

    def recall(
        self,
        connection: Connection,
        path: VisiblePath,
        npc: str,
        query: str,
        limit: int,
        *,
        before: int | None,
        exclude: frozenset[int],
    ) -> list[StoredEvent]:
        """See `Retriever`."""
        window = max(WINDOW, limit) + len(exclude)
        known = newest_texts(connection, path, npc, limit=window, before=before)
        asked = _words(query)
        candidates = [(len(asked & _words(text)), seq) for seq, text in known if seq not in exclude]
        best = sorted(candidates, reverse=True)[:limit]
        return [event for _, seq in best for event in _event(connection, path, npc, seq)]


def _event(connection: Connection, path: VisiblePath, npc: str, seq: int) -> list[StoredEvent]:
    return newest_witnessed(connection, path, npc, limit=1, after=seq - 1, before=seq + 1)


@lru_cache(maxsize=_CACHED_TEXTS)  # every line asks for the words of the same events again
def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
