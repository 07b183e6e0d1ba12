"""Memory: what has happened, in which world, and who knows of it. The room's one door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from server.memory import branches, events, facts, marks, npcs, recall_index, sessions, spend, turns
from server.memory.database import Connection, Database
from server.memory.derived import Derived
from server.memory.embedding import Embedder
from server.memory.facts import Fact
from server.memory.lock import DataDirLock
from server.memory.migrations import MIGRATIONS
from server.memory.recall import Question, Recalled, Retriever
from server.memory.recall_lexical import LexicalRecall
from server.memory.records import (
    Head,
    NewEvent,
    Recorded,
    RequestKey,
    SavePoint,
    SessionRecord,
    StoredEvent,
    TurnRecord,
)
from server.memory.timeline import VisiblePath

if TYPE_CHECKING:
    from server.memory.recall_vectors import VectorIndex

T = TypeVar("T")

DATABASE_NAME = "memory.db"


class Memory:
    """Everything that is remembered. Worlds come into being on first use and never see each other.

    Every method that writes returns once its transaction is committed; reads see everything that was acknowledged. Any
    of them may raise StoreError. With a `key`, a request that was answered before is not run again.
    """

    def __init__(self, database: Database, lock: DataDirLock, retriever: Retriever) -> None:
        self._database = database
        self._lock = lock
        self._retriever = retriever
        self._vectors: VectorIndex | None = None
        self._embedding = asyncio.Lock()
        self._paths = branches.Paths()
        self.derived = Derived(database, self._paths)

    @classmethod
    async def open(cls, data_dir: Path, retriever: Retriever | None = None) -> Memory:
        """Lock `data_dir`, open its database, and end turns that a crash left open as `failed` with nothing heard.

        Raises:
            DataDirLocked: another process holds the folder.
            SchemaTooNew: a newer version wrote the database.
            StoreError: the folder or the database cannot be used.
        """
        lock = await asyncio.to_thread(DataDirLock.take, data_dir)
        try:
            database = await Database.open(data_dir / DATABASE_NAME, MIGRATIONS)
            try:
                await database.write(turns.end_open)
                await database.write(recall_index.catch_up)
            except BaseException:
                await database.close()
                raise
        except BaseException:
            lock.release()
            raise
        return cls(database, lock, retriever or LexicalRecall())

    async def close(self) -> None:
        """Finish what is waiting, close the database and let go of the folder. Idempotent."""
        await self._database.close()
        self._lock.release()

    async def add_session(self, record: SessionRecord) -> None:
        """Keep a new session."""
        await self._database.write(lambda connection: sessions.add(connection, record))

    async def session(self, session: str) -> SessionRecord | None:
        """The session of that id, also one of an earlier run; None where it is unknown."""
        return await self._database.read(lambda connection: sessions.find(connection, session))

    async def last_client_id(self, lineage: str) -> str | None:
        """The last client id committed in a lineage."""
        return await self._database.read(lambda connection: sessions.last_client_id(connection, lineage))

    async def answered(self, key: RequestKey) -> dict[str, Any] | None:
        """What a request was answered: {"turns": [{"turn", "npc"}] or None, "why": str or None}; None for a new one."""
        return await self._database.read(lambda connection: sessions.answer(connection, key))

    async def record(
        self,
        world: str,
        session: str,
        event: NewEvent | None,
        speakers: Sequence[str],
        key: RequestKey | None,
        why: str | None = None,
    ) -> Recorded:
        """Write an event with its witnesses, an open turn for each speaker and the request's answer in one transaction.

        A request that was answered before writes nothing and comes back as it was, with `repeated` true; of two at the
        same time one is run.
        """
        return await self._database.write(
            lambda connection: turns.record(connection, world, session, event, speakers, key, why)
        )

    async def record_many(self, world: str, happened: Sequence[NewEvent]) -> tuple[int, ...]:
        """Write events that nobody answers, in one transaction. Returns their seqs."""
        return await self._database.write(lambda connection: events.add_all(connection, world, happened))

    async def commit_turn(self, record: TurnRecord, line: NewEvent | None) -> int | None:
        """End a turn, once: its record, and the heard line as an event, in one transaction. Returns the line's seq.

        Both go to the branch the turn was opened in, wherever the head is by now. The speaking NPC always witnesses its
        line; other witnesses are those of `line`.

        Raises:
            StoreError: the turn is unknown, another NPC's, or has ended.
        """
        return await self._database.write(lambda connection: turns.commit(connection, record, line))

    async def save(
        self, world: str, save: str | SavePoint, key: RequestKey | None = None, game_time: float | None = None
    ) -> bool:
        """Mark the present as `save`, on the disk itself; the same id again moves its mark. False where repeated."""
        return await self._change(key, lambda connection: marks.mark(connection, world, save, game_time), durable=True)

    async def load(self, world: str, save: str | SavePoint | None, key: RequestKey | None = None) -> bool:
        """Go on from the mark `save` in a new branch; from nothing with None. False where repeated.

        A point without a character is the last moment that is not after its time, whether it was saved or not.

        Raises:
            UnknownSave: `world` has no such mark; the head does not move.
        """
        return await self._change(key, lambda connection: marks.move_head(connection, world, save), durable=True)

    async def check_save(self, world: str, save: str) -> None:
        """Make sure that `load` would know this save.

        Raises:
            UnknownSave: `world` has no such mark.
        """
        await self._database.read(lambda connection: marks.find(connection, world, save))

    async def saves_named(self, world: str, prefix: str) -> list[tuple[str, bool]]:
        """The saves whose names begin with `prefix`, oldest first, and whether each lies on the way to the present."""
        return await self._look(world, lambda connection, path: marks.named(connection, world, path, prefix))

    async def saves_near(self, world: str, game_time: float) -> list[str]:
        """Saves that a game may have loaded which says that it is `game_time` now: the likeliest first."""
        return await self._database.read(lambda connection: marks.near(connection, world, game_time))

    async def game_time(self, world: str) -> float | None:
        """The game time of the newest event that has one; None where none has."""
        return await self._look(world, marks.newest_time)

    async def head(self, world: str) -> Head:
        """Where the world's present is written."""
        head = await self._database.read(lambda connection: branches.find_head(connection, world))
        if head is not None:
            return head
        return await self._database.write(lambda connection: branches.ensure_head(connection, world))

    async def events_for(self, world: str, npc: str, *, after: int, limit: int) -> tuple[StoredEvent, ...]:
        """What `npc` witnessed after seq `after`: the newest `limit`, oldest first."""
        found = await self._look(
            world, lambda connection, path: events.newest_witnessed(connection, path, npc, after=after, limit=limit)
        )
        return tuple(reversed(found))

    async def last_turns(self, world: str, npc: str, limit: int) -> tuple[TurnRecord, ...]:
        """The newest `limit` turns of `npc` that wrote something into its prompt, oldest first."""
        found = await self._look(world, lambda connection, path: turns.newest_written(connection, path, npc, limit))
        return tuple(reversed(found))

    async def recall(self, world: str, npc: str, question: Question) -> tuple[Recalled, ...]:
        """What `npc` remembers at a question, best first."""
        found = await self._look(
            world, lambda connection, path: self._retriever.recall(connection, path, npc, question)
        )
        return tuple(found)

    def recall_by_meaning(self, embedder: Embedder) -> None:
        """From now on memories are found by what they mean too, as far as `embed_new` came."""
        # Imported here: what only this needs is an extra to install.
        from server.memory.recall_fused import FusedRecall
        from server.memory.recall_vectors import VectorIndex

        self._vectors = VectorIndex(embedder)
        self._retriever = FusedRecall(self._vectors)

    async def embed_new(self, limit: int = 64) -> int:
        """Work out what the next `limit` events mean; how many it read, 0 where none is left or no embedder is set."""
        vectors = self._vectors
        if vectors is None:
            return 0
        async with self._embedding:
            read = await self._database.read(lambda connection: vectors.unread(connection, limit))
            if read:
                made = await asyncio.to_thread(vectors.embedder.embed, [text for _, text in read])
                vectors.add(read, made)
        return len(read)

    async def extract_facts(self, limit: int = 200, weekdays: tuple[str, ...] = ()) -> int:
        """Read the facts out of the next `limit` events of all worlds; how many it read, 0 where none is left."""
        return await self._database.write(lambda connection: facts.extract_new(connection, limit, weekdays))

    async def facts(
        self, world: str, npc: str, *, limit: int, after: int = 0, kinds: Iterable[str] | None = None
    ) -> tuple[Fact, ...]:
        """What `npc` knows as facts from events after seq `after` and what of it still holds, newest first."""
        found = await self._look(
            world,
            lambda connection, path: facts.known(connection, path, npc, limit=limit, after=after, kinds=kinds),
        )
        return tuple(facts.current(found))

    async def due_facts(
        self, world: str, npc: str, *, after_h: float, up_to_h: float, limit: int = 8
    ) -> tuple[Fact, ...]:
        """Promises, appointments and debts that fall due in `after_h` < game hours ≤ `up_to_h`, the earliest first."""
        found = await self._look(
            world,
            lambda connection, path: facts.due(connection, path, npc, after_h=after_h, up_to_h=up_to_h, limit=limit),
        )
        return tuple(found)

    async def set_persona(self, world: str, npc: str, patch: dict[str, Any], key: RequestKey | None = None) -> bool:
        """Lay the fields of `patch` over what this world knows of `npc`. A load takes it back. False where repeated."""
        return await self._change(key, lambda connection: npcs.patch_persona(connection, world, npc, patch))

    async def personas(self, world: str) -> dict[str, dict[str, Any]]:
        """The fields that were set for each NPC of the world."""
        return await self._look(world, npcs.persona_patches)

    async def add_spend(self, calls: Sequence[spend.PaidCall], ratios: Sequence[spend.KnownRatio] = ()) -> None:
        """Keep what calls of paid routes cost, and what was learnt of the models that they asked."""
        await self._database.write(lambda connection: spend.add(connection, calls, ratios))

    async def spent_on(self, day: str) -> spend.Spent:
        """What was spent on a day, such as `2026-05-01`, in all worlds together."""
        return await self._database.read(lambda connection: spend.spent_on(connection, day))

    async def ratios(self) -> list[spend.KnownRatio]:
        """What was learnt of the token counts of hosted models."""
        return await self._database.read(spend.ratios)

    async def _look(self, world: str, work: Callable[[Connection, VisiblePath], T]) -> T:
        """Read what is visible from the world's head."""
        return await self._database.read(lambda connection: work(connection, self._paths.seen(connection, world)))

    async def _change(
        self, key: RequestKey | None, work: Callable[[Connection], object], *, durable: bool = False
    ) -> bool:
        """Run a request's work once; False where it was answered before."""

        def once(connection: Connection) -> bool:
            if sessions.repeated(connection, key):
                return False
            work(connection)
            sessions.store_answer(connection, key, Recorded(None, ()))
            return True

        return await self._database.write(once, durable=durable)
