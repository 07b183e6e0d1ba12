"""What every session and turn works with: the rooms below, and the worlds that are awake."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from server.backends.base import Backend
from server.config import Settings, SpendSettings
from server.dialogue.conversation import Conversation
from server.dialogue.growth import Growth
from server.dialogue.jobs import Jobs
from server.dialogue.scheduler import Scheduler
from server.dialogue.world import World
from server.memory.store import Memory
from server.personas.library import PersonaLibrary
from server.plugins.mods import Mods
from server.prompt.context import PromptLimits
from server.prompt.shares import Shares
from server.prompt.tokens import EstimatedTokenizer, Tokenizer
from server.protocol.messages import TurnEnd
from server.routing.counting import HostedCounting
from server.routing.router import Router
from server.routing.spending import Purse

TIME_STEP = 32


class Observer(Protocol):
    """Someone who counts."""

    def turn_ended(self, end: TurnEnd) -> None:
        """A turn is over."""

    def prompt_grew(self, growth: Growth) -> None:
        """A local prompt was used, and goes on from the one before it in this way."""


class NoObserver:
    """Counts nothing."""

    def turn_ended(self, end: TurnEnd) -> None:
        """Nothing."""

    def prompt_grew(self, growth: Growth) -> None:
        """Nothing."""


def _open_purse() -> Purse:
    return Purse(SpendSettings(usd_per_day=None, tokens_per_day=None), HostedCounting())


@dataclass(slots=True)
class Stage:
    """The composition that the dialogue room is given. `clock` is monotonic seconds, `wall` Unix seconds."""

    settings: Settings
    memory: Memory
    library: PersonaLibrary
    router: Router
    mods: Mods
    tokenizer: Callable[[], Tokenizer] = EstimatedTokenizer
    purse: Purse = field(default_factory=_open_purse)
    observer: Observer = field(default_factory=NoObserver)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    scheduler: Scheduler = field(default_factory=Scheduler)
    rng: random.Random = field(default_factory=random.Random)
    jobs: Jobs = field(default_factory=Jobs)
    worlds: dict[str, World] = field(default_factory=dict)
    generating: int = 0

    def limits(self, *, hosted: bool) -> PromptLimits:
        """The token limits of a local or a hosted route."""
        budget = self.settings.budget
        shares = Shares().under(budget.blocks)
        if not hosted:
            return PromptLimits(budget.prompt_tokens, budget.new_tokens, budget.recall_tokens, shares=shares)
        whole = min(budget.prompt_tokens, budget.hosted.prompt_tokens)
        return PromptLimits(whole, budget.hosted.new_tokens, budget.recall_tokens, shares=shares)

    def limits_for(self, backend: Backend) -> PromptLimits:
        """The limits of this route, and what its machine can evaluate before the first text is due."""
        time_tokens = backend.tokens_within(self.settings.dialogue.first_text_ms)
        if time_tokens is not None:
            # In steps: measured speed drifts, and a warmed prompt must stay a prefix of the one that follows it.
            time_tokens -= time_tokens % TIME_STEP
        limits = self.limits(hosted=backend.hosted)
        whole = limits.prompt_tokens
        context: int | None = getattr(backend, "context_tokens", None)  # hosted routes may learn it from their provider
        if context is not None:
            whole = min(whole, context - self.reply_tokens(backend))
        return replace(limits, prompt_tokens=whole, time_tokens=time_tokens)

    def reply_tokens(self, backend: Backend) -> int:
        """The longest answer of this route."""
        budget = self.settings.budget
        return budget.hosted.reply_tokens if backend.hosted else budget.reply_tokens

    def tokenizer_for(self, backend: Backend, conversation: Conversation) -> Tokenizer:
        """What counts this route's prompts, the same all through a conversation as far as that is safe."""
        if not backend.hosted:
            own: Tokenizer | None = getattr(backend, "vocabulary", None)  # of engines alone
            return own or self.tokenizer()
        return conversation.counted_by(backend.name, self.purse.counting.tokenizer_for(backend))

    async def world(self, name: str) -> World:
        """The world of this name, awake."""
        if name not in self.worlds:
            patches = await self.memory.personas(name)
            time = await self.memory.game_time(name)
            self.worlds.setdefault(name, World(name, self.library, patches, time))
        return self.worlds[name]
