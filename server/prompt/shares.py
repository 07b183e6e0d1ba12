"""What each block of a prompt may take: its share, what it has at least, and whose need goes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from server.config import BlockName, BlockSettings


@dataclass(frozen=True, slots=True)
class Share:
    """`most` as a share of the whole, `least` in tokens, and `priority`: higher ones choose first."""

    most: float = 1.0
    least: int = 0
    priority: int = 0

    def cap(self, whole: int) -> int:
        """The most tokens that the block may take where its share is one of `whole`."""
        return max(self.least, int(self.most * whole))


@dataclass(frozen=True, slots=True)
class Shares:
    """The blocks that give way.

    `persona` (rules and core, which never give way, count in it), `facts` and `history` have shares of the whole
    prompt, and `history` takes what the others leave of its own; the rest have shares of what a turn may add.
    """

    persona: Share = field(default=Share(0.5))
    facts: Share = field(default=Share(0.1))
    history: Share = field(default=Share())
    others: Share = field(default=Share(priority=50))
    scene: Share = field(default=Share(priority=40))
    events: Share = field(default=Share(priority=30))
    memories: Share = field(default=Share(priority=20))
    lore: Share = field(default=Share(priority=10))

    def under(self, settings: Mapping[BlockName, BlockSettings]) -> Shares:
        """These shares, where `settings` say nothing else."""
        changed = {}
        for name, said in settings.items():
            known: Share = getattr(self, name)
            changed[name] = Share(
                known.most if said.share is None else said.share,
                known.least if said.min_tokens is None else said.min_tokens,
                known.priority if said.priority is None else said.priority,
            )
        return replace(self, **changed)

    def first(self, *names: str) -> list[str]:
        """These blocks, who chooses first before who chooses later."""
        return sorted(names, key=lambda name: -self.of(name).priority)

    def of(self, name: str) -> Share:
        """The share of the block of this name."""
        share: Share = getattr(self, name)
        return share


BLOCKS = tuple(each.name for each in fields(Shares))
