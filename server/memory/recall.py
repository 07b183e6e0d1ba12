"""What an NPC remembers when something is said: the retriever's interface, and the plain one that ships."""

from __future__ import annotations

import re
from typing import Protocol

from server.memory.database import Connection
from server.memory.events import newest_witnessed
from server.memory.records import StoredEvent
from server.memory.timeline import VisiblePath

WINDOW = 256
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
        known = newest_witnessed(connection, path, npc, limit=window, before=before)
        asked = _words(query)
        candidates = [event for event in known if event.seq not in exclude]
        return sorted(candidates, key=lambda event: (-len(asked & _words(event.text)), -event.seq))[:limit]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
