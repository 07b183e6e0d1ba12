"""What one run of the bench is given: the file, the machine's share of it, and how much to measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

FlashAttention = Literal["auto", "on", "off"]

KEYS = (
    *("first_contact", "appended", "warmed", "scene", "scene_on_top", "switching", "heard_differs", "load", "shrunk"),
    *("shrunk_prepared", "restart", "chats", "beside", "together", "stop", "restore", "crowd"),
)
"""What can be measured: rows of the table, then what only our own engine is asked for."""


@dataclass(frozen=True, slots=True)
class Setup:
    """All contestants get the same.

    Attributes:
        model: The GGUF.
        threads: Threads of each contestant; they never work at the same time.
        npcs: How many NPCs take turns, one row for each number.
        turns: Measured turns of a row, at most; rows in which somebody reads a whole prompt again take a third.
        persona_tokens: Rules, persona and facts of an NPC together.
        reply_tokens: The length of a reply.
        context: Tokens of a contestant's context.
        gpu_layers: Layers that a GPU holds.
        flash_attention: As in the settings of a local route; for our engine alone.
        peer: The base URL of an OpenAI-compatible server on the same file; empty where there is none.
        peer_python: A Python that has llama-cpp-python's server, which is started as the peer where no other is named.
        crowd: NPCs of the row on caps; 0 leaves it out.
        only: What alone is measured: keys of `KEYS`; empty is all.
        idle_s: Between the last turn and the end of the game, in which an engine may put away what it knows.
        quick: A run for tests: the sizes are not those that the aims are for.
    """

    model: Path
    threads: int
    npcs: tuple[int, ...] = (8, 32)
    turns: int = 12
    persona_tokens: int = 880
    reply_tokens: int = 16
    context: int = 16_384
    gpu_layers: int = 0
    flash_attention: FlashAttention = "auto"
    peer: str = ""
    peer_python: Path | None = None
    crowd: int = 500
    only: tuple[str, ...] = ()
    idle_s: float = 15.0
    quick: bool = False
    arguments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        arguments = (str(self.model), str(self.context), str(self.threads), str(self.gpu_layers))
        object.__setattr__(self, "arguments", arguments)

    def wants(self, key: str) -> bool:
        """Whether that key of `KEYS` is to be measured."""
        return not self.only or key in self.only

    @property
    def few(self) -> int:
        """Measured turns of a row in which somebody reads a whole prompt again."""
        return max(2, self.turns // 3)


def quick(
    model: Path, threads: int, peer: str = "", peer_python: Path | None = None, only: tuple[str, ...] = ()
) -> Setup:
    """Every row once or twice, with short personas."""
    return Setup(
        model=model,
        threads=threads,
        npcs=(2,),
        turns=3,
        persona_tokens=240,
        reply_tokens=4,
        context=2_048,
        peer=peer,
        peer_python=peer_python,
        crowd=6,
        only=only,
        idle_s=0.5,
        quick=True,
    )
