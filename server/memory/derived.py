"""What follows from the log: facts, standings, moods, commitments, summaries, diaries. Its own door of memory.

Everything here can be made again from events. Methods that write are told the head that the work was begun at, and
write nothing, returning False, where a load has moved it since.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from server.memory import digesting, standings, summaries
from server.memory.branches import Paths, find_head, seen_from
from server.memory.commitments import Commitment, commitments
from server.memory.database import Connection, Database
from server.memory.digest import Batch, Digest
from server.memory.events import newest_witnessed
from server.memory.feelings import Feeling, Regard
from server.memory.records import Head, StoredEvent
from server.memory.summaries import DiaryEntry, Summary
from server.memory.timeline import VisiblePath

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standpoint:
    """How an NPC stood when that last changed: its mood, how it regards some others, and what was agreed."""

    feeling: Feeling = field(default_factory=Feeling)
    regards: tuple[Regard, ...] = ()
    agreed: tuple[Commitment, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Events that an NPC witnessed, oldest first, where the world's head was `head`, and the summary before them."""

    head: Head
    before: Summary
    events: tuple[StoredEvent, ...]


class Derived:
    """Reads and writes derived rows. Any method may raise StoreError."""

    def __init__(self, database: Database, paths: Paths) -> None:
        self._database = database
        self._paths = paths

    async def standpoint(self, world: str, npc: str, others: Sequence[str]) -> Standpoint:
        """How `npc` stands, to `others` among the rest."""

        def work(connection: Connection, path: VisiblePath) -> Standpoint:
            return Standpoint(
                standings.feeling(connection, path, npc),
                tuple(standings.regard(connection, path, npc, other) for other in others),
                tuple(commitments(connection, path, npc)),
            )

        return await self._look(world, work)

    async def regards(self, world: str, npc: str) -> tuple[Regard, ...]:
        """How `npc` stands to everyone who has moved it."""
        return await self._look(world, lambda connection, path: standings.regards(connection, path, npc))

    async def summary(self, world: str, npc: str) -> Summary:
        """The newest summary."""
        return await self._look(world, lambda connection, path: summaries.newest(connection, path, npc))

    async def diary(self, world: str, npc: str, limit: int) -> list[DiaryEntry]:
        """The newest `limit` entries, newest first."""
        return await self._look(world, lambda connection, path: summaries.diary(connection, path, npc, limit))

    async def time_of(self, world: str, npc: str, seq: int) -> float | None:
        """The game second of the newest event up to `seq` that `npc` witnessed; None where it has none."""
        found = await self._look(
            world, lambda connection, path: newest_witnessed(connection, path, npc, before=seq + 1, limit=1)
        )
        return found[0].time if found else None

    async def undigested(self, world: str, npc: str, limit: int) -> Batch | None:
        """The oldest events that `npc` has not digested; None where there are none."""
        return await self._database.read(lambda connection: digesting.undigested(connection, world, npc, limit))

    async def keep_digest(self, world: str, batch: Batch, digest: Digest) -> bool:
        """Write what came of a batch."""
        return await self._database.write(lambda connection: digesting.keep_digest(connection, world, batch, digest))

    async def unsummarised(self, world: str, npc: str, up_to: int, limit: int) -> Span | None:
        """The newest `limit` events up to the event `up_to` that no summary tells of; None where there are none."""

        def work(connection: Connection, path: VisiblePath) -> Span | None:
            head = find_head(connection, world)
            before = summaries.newest(connection, path, npc)
            found = newest_witnessed(connection, path, npc, after=before.seq, before=up_to + 1, limit=limit)
            return Span(head, before, tuple(reversed(found))) if head is not None and found else None

        return await self._look(world, work)

    async def lived(self, world: str, npc: str, after: int, up_to: int, limit: int) -> Span | None:
        """The newest `limit` events after `after` up to the event `up_to`; None where there are none."""

        def work(connection: Connection, path: VisiblePath) -> Span | None:
            head = find_head(connection, world)
            found = newest_witnessed(connection, path, npc, after=after, before=up_to + 1, limit=limit)
            return Span(head, Summary(), tuple(reversed(found))) if head is not None and found else None

        return await self._look(world, work)

    async def summary_by_rule(self, world: str, npc: str, up_to: int, after: int = 0) -> str:
        """What matters most of all that `npc` came to know in events after `after` up to `up_to`."""
        return await self._look(world, lambda connection, path: summaries.by_rule(connection, path, npc, up_to, after))

    async def write_summary(self, world: str, npc: str, head: Head, from_seq: int, summary: Summary) -> bool:
        """Keep a summary."""
        return await self._write_at(
            world, head, lambda connection, path: summaries.write(connection, path, npc, from_seq, summary)
        )

    async def write_diary(self, world: str, npc: str, head: Head, entry: DiaryEntry) -> bool:
        """Keep a diary entry."""
        return await self._write_at(
            world, head, lambda connection, path: summaries.write_diary(connection, path, npc, entry)
        )

    async def forget(self, world: str) -> list[str]:
        """Drop everything that was derived in `world`; who is to be digested again."""

        def work(connection: Connection) -> list[str]:
            digesting.forget_derived(connection, world)
            head = find_head(connection, world)
            return [] if head is None else digesting.who_witnessed(connection, seen_from(connection, head.branch))

        return await self._database.write(work)

    async def _write_at(self, world: str, head: Head, work: Callable[[Connection, VisiblePath], object]) -> bool:
        def guarded(connection: Connection) -> bool:
            if find_head(connection, world) != head:
                return False
            work(connection, seen_from(connection, head.branch))
            return True

        return await self._database.write(guarded)

    async def _look(self, world: str, work: Callable[[Connection, VisiblePath], T]) -> T:
        return await self._database.read(lambda connection: work(connection, self._paths.seen(connection, world)))
