"""One NPC's talk as it stands in its prompt: history as it was written, and what it has read so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from server.dialogue.bearing import BearingWriter
from server.dialogue.growth import Growing
from server.dialogue.lorebook import LoreLog
from server.dialogue.scene import SceneWriter
from server.memory.records import TurnRecord
from server.memory.store import Memory
from server.prompt.context import HistoryEntry
from server.prompt.tokens import ScaledTokenizer
from server.text.segments import Text

CARRIED_TURNS = 4
"""A conversation begins with the last turns of the one before, so that a greeting again is not a first meeting."""
MAX_UNREAD_EVENTS = 24
"""So many of the newest events that an NPC has not read yet may be told in its next turn."""
SHRINK_AT = 0.75
"""Share of the token limit at which history is halved while nobody waits."""


@dataclass(slots=True)
class Conversation:
    """History entries, oldest first, and how far this NPC has read.

    `read_to` is the newest event it had in a prompt; events up to `since` are not in its history any more. `untold` are
    seqs between the two of what no prompt had room for: they can be recalled. `last_time`, until its first turn, is the
    game second of the newest event before it.
    """

    entries: list[HistoryEntry] = field(default_factory=list)
    read_to: int = 0
    since: int = 0
    untold: list[range] = field(default_factory=list)
    turns_here: int = 0
    last_active_s: float = 0.0
    facts: tuple[str, ...] = ()
    recent: list[str] = field(default_factory=list)
    scene: SceneWriter = field(default_factory=SceneWriter)
    bearing: BearingWriter = field(default_factory=BearingWriter)
    last_time: float | None = None
    lore_log: LoreLog = field(default_factory=LoreLog)
    growing: Growing = field(default_factory=Growing)
    _reads: list[int] = field(default_factory=list)
    _hosted_start: int = 0
    _counted_by: dict[str, ScaledTokenizer] = field(default_factory=dict)

    @classmethod
    async def begin(
        cls, memory: Memory, world: str, npc: str, now_s: float, *, look_back: int = CARRIED_TURNS + 1
    ) -> Conversation:
        """A conversation that carries on from the last turns in memory; of `look_back` turns it knows the lore told."""
        past = await memory.last_turns(world, npc, look_back)
        turns = past[-CARRIED_TURNS - 1 :]
        carried = turns[-CARRIED_TURNS:]
        summary = (await memory.derived.summary(world, npc)).text
        conversation = cls(facts=(summary,) if summary else (), last_active_s=now_s)
        if len(turns) > len(carried):
            conversation.since = turns[0].read_to
        conversation.lore_log.turns = [record.lore_ids for record in past[: len(past) - len(carried)]]
        for record in carried:
            conversation._append(entry_of(record), record.heard, record.read_to)
        if conversation.read_to:
            conversation.last_time = await memory.derived.time_of(world, npc, conversation.read_to)
        if not carried:  # nothing was told yet: what the first turn will not tell can be recalled
            unread = await memory.events_for(world, npc, after=0, limit=MAX_UNREAD_EVENTS)
            conversation.since = unread[0].seq - 1 if unread else 0
        return conversation

    def add(self, record: TurnRecord, now_s: float) -> None:
        """A turn of this conversation ended and is committed."""
        self._append(entry_of(record), record.heard, record.read_to)
        self.turns_here += 1
        self.last_time = None
        self.last_active_s = now_s

    def left_out(self, untold: Iterable[range]) -> None:
        """A prompt had no room for what happened there."""
        self.untold += [each for each in untold if each]

    def told_of(self, seqs: Iterable[int]) -> frozenset[int]:
        """Those of the events at `seqs` that were not left out."""
        return frozenset(seq for seq in seqs if not any(seq in each for each in self.untold))

    def history(self, *, hosted: bool) -> tuple[HistoryEntry, ...]:
        """What may stand in the prompt of a hosted or a local route; hosted prompts are smaller and begin later."""
        return tuple(self.entries[self._hosted_start :] if hosted else self.entries)

    def counted_by(self, route: str, newest: ScaledTokenizer) -> ScaledTokenizer:
        """The tokenizer of a hosted route's prompts, where `newest` is what is known by now.

        The first one stays: another could choose other words for the prefix, and the provider would read it anew. It
        gives way to one that counts higher, as a prompt must not pass its limit.
        """
        kept = self._counted_by.setdefault(route, newest)
        if newest.base is kept.base and newest.factor > kept.factor:
            kept = self._counted_by[route] = newest
        return kept

    def lost(self, count: int, *, hosted: bool) -> bool:
        """Whether the newest `count` entries are not all that a prompt may hold."""
        return len(self.history(hosted=hosted)) > count

    def keep_newest(self, count: int, *, hosted: bool) -> None:
        """History lost its older entries. The scene is told anew, as it may have stood in them."""
        gone = len(self.history(hosted=hosted)) - count
        if gone <= 0:
            return
        self.scene.forget()
        self.bearing.forget()
        if hosted:
            self._hosted_start += gone
            return
        self.since = self._reads[gone - 1]
        self.untold = [each for each in self.untold if each.stop > self.since + 1]
        self._hosted_start = max(0, self._hosted_start - gone)
        del self.entries[:gone], self._reads[:gone]

    def read_up_to(self, count: int) -> int:
        """The newest event that the oldest `count` entries had read."""
        return self._reads[count - 1] if count else self.since

    def shrink_to(self, oldest: HistoryEntry, facts: tuple[str, ...]) -> None:
        """Nobody waited, and the prompt from the entry `oldest` on is read: it takes over, with these facts."""
        at = next((index for index, entry in enumerate(self.entries) if entry is oldest), 0)
        self.facts = facts
        self.growing.shrunk()
        self.keep_newest(len(self.entries) - at, hosted=False)

    def without_oldest(self, count: int, facts: tuple[str, ...] = ()) -> Conversation:
        """The conversation as it will be when its oldest `count` entries are gone; this one stays as it is."""
        return replace(
            self,
            facts=facts,
            entries=self.entries[count:],
            since=self._reads[count - 1],
            _reads=[],
            scene=SceneWriter(),
            bearing=BearingWriter(),
        )

    def wants_shrinking(self, prompt_tokens: int, limit: int) -> bool:
        """Whether the next turns would run into the limit."""
        return len(self.entries) > 1 and prompt_tokens > SHRINK_AT * limit

    @property
    def memory_ids(self) -> frozenset[int]:
        """Memories that still stand in the prompt."""
        return frozenset(number for entry in self.entries for number in entry.memory_ids)

    @property
    def lore_ids(self) -> frozenset[str]:
        """Lore that still stands in the prompt."""
        return frozenset(name for entry in self.entries for name in entry.lore_ids)

    def _append(self, entry: HistoryEntry, heard: str, read_to: int) -> None:
        self.read_to = max(self.read_to, read_to)
        if heard:
            self.recent = [*self.recent[-3:], heard]
        if entry.written:
            self.lore_log.turns.append(entry.lore_ids)
            self.entries.append(entry)
            self._reads.append(self.read_to)


def entry_of(record: TurnRecord) -> HistoryEntry:
    """A finished turn as it stands in later prompts: exactly what was written, and what was heard."""
    reply = Text(record.heard, record.fingerprint, record.token_ids) if record.heard else None
    return HistoryEntry(record.written, reply, record.memory_ids, record.lore_ids)
