"""What is read in the background after a turn, so that the next one finds it read."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from server.dialogue.conversation import Conversation
from server.dialogue.scene import SceneView
from server.dialogue.stage import Stage
from server.dialogue.warming import warm
from server.dialogue.world import World


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

    async def _shrink(self, conversation: Conversation) -> None:
        """Read the shorter prompt beside the one in use, and only then let it take over."""
        gone = len(conversation.entries) - len(conversation.entries) // 2
        await self._read(conversation.without_oldest(gone))
        # Turns that ended meanwhile stand behind both prompts alike.
        conversation.keep_newest(len(conversation.entries) - gone, hosted=False)

    async def _read(self, conversation: Conversation) -> None:
        await warm(self.stage, self.world, self.view, self.player, self.npc, conversation=conversation)

    def _job(self, what: str) -> str:
        return f"{what}:{self.world.name}:{self.npc}"
