"""Who is measured: something that answers a prompt, and says how much of it was evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from server.bench.engine.conversation import Reply
from server.text.segments import Prompt


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered turn. `first_ms`: from asking to the first token. `evaluated`: prompt tokens, None when untold."""

    first_ms: float
    reply: Reply
    evaluated: int | None


class Contestant(Protocol):
    """One system under test, on the same file, with the same prompts."""

    @property
    def name(self) -> str:
        """As it stands in the table."""

    @property
    def prepares(self) -> bool:
        """True where it can read a prompt ahead, so that `warm` does something."""

    @property
    def restarts(self) -> bool:
        """True where the bench may stop it and start it again."""

    async def start(self) -> None:
        """Load the model; returns when it is ready."""

    async def close(self) -> None:
        """End it with everything it started. Idempotent."""

    async def answer(self, npc: str, prompt: Prompt, max_tokens: int) -> Answer:
        """Have it answer, greedily, with at most `max_tokens` tokens."""

    async def warm(self, npc: str, prompt: Prompt, *, background: bool = False) -> None:
        """Have it read `prompt` ahead; does nothing where it `prepares` not."""
