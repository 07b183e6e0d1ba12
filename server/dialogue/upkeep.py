"""What is read in the background after a turn, so that the next one finds it read."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from server.dialogue.conversation import CARRIED_TURNS, Conversation
from server.dialogue.scene import SceneView
from server.dialogue.stage import Stage
from server.dialogue.summarising import renew_summary, write_diary
from server.dialogue.warming import warm
from server.dialogue.world import World
from server.prompt.context import HistoryEntry


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The prompts of one NPC, seen from one session."""

    stage: Stage
    world: World
    view: SceneView
    player: str
    npc: str

    def after_turn(self, conversation: Conversation, prompt_tokens: int, *, as_generated: bool) -> None:
        """Halve a history that nears its limit; else read what the engine has not: words that were not its own."""
        limit = self.stage.limits(hosted=False).prompt_tokens
        if conversation.wants_shrinking(prompt_tokens, limit):
            self.stage.jobs.start_once(self._job("shrink"), functools.partial(self._shrink, conversation))
        elif not as_generated:
            self.stage.jobs.start(self._job("head"), functools.partial(self._read, conversation))
        quiet_s = self.stage.settings.background.quiet_s
        self.stage.jobs.start_later(self._job("settle"), quiet_s, functools.partial(self._settle, conversation))

    async def _shrink(self, conversation: Conversation) -> None:
        """Read the shorter prompt beside the one in use, and only then let it take over."""
        gone = len(conversation.entries) - len(conversation.entries) // 2
        oldest = conversation.entries[gone]
        summary = await renew_summary(self.stage, self.world, self.npc, conversation.read_up_to(gone))
        facts = (summary,) if summary else ()
        if _index(conversation.entries, oldest) == 0:  # a turn could not wait, and took the place meanwhile
            return
        await self._read(conversation.without_oldest(_index(conversation.entries, oldest), facts))
        # Turns that ended meanwhile stand behind both prompts alike.
        conversation.shrink_to(oldest, facts)

    async def _settle(self, conversation: Conversation) -> None:
        """The talk rests: sum up what the next one will not have before it."""
        carried = min(CARRIED_TURNS, len(conversation.entries))
        await renew_summary(
            self.stage, self.world, self.npc, conversation.read_up_to(len(conversation.entries) - carried)
        )
        if self.stage.settings.background.diary:
            await write_diary(self.stage, self.world, self.npc, conversation.read_to)

    async def _read(self, conversation: Conversation) -> None:
        await warm(self.stage, self.world, self.view, self.player, self.npc, conversation=conversation)

    def _job(self, what: str) -> str:
        return f"{what}:{self.world.name}:{self.npc}"


def _index(entries: Sequence[HistoryEntry], wanted: HistoryEntry) -> int:
    """Where this very entry stands; 0 where it is gone. Two turns may read the same."""
    return next((index for index, entry in enumerate(entries) if entry is wanted), 0)
