"""A state that was kept, and what is known about states from their tokens alone."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.backends.llama.tree import PrefixTree, Tokens

UNDONE_TURNS = 3
"""Ends of turns that stay in the context behind the last: a game that is loaded goes on from one of them. They share
the cells of the last, so they cost nothing, and are let go with it."""


class Kind(enum.Enum):
    """Why a state was kept, which says how long it is of use."""

    PART = "part"
    """The end of a part that many prompts begin with: until its room is needed."""
    PROMPT = "prompt"
    """The end of what was read of a prompt: until a longer one, or the end of the next turn."""
    TURN = "turn"
    """The end of a finished turn: until some more turns have ended."""


@dataclass(slots=True, eq=False)
class State:
    """Where the state after `tokens` is: any of the three levels. `used` counts up with each use of any state.

    `logits` are those after the last token, kept for the ends of prompts: nothing could be drawn without them.
    """

    tokens: Tokens
    kind: Kind
    used: int
    sequence: int | None = None
    data: Any = None
    file: str | None = None
    logits: bytes | None = None

    @property
    def ram_bytes(self) -> int:
        """What it takes in memory outside the context."""
        return len(self.data or b"") + len(self.logits or b"")

    @property
    def nowhere(self) -> bool:
        """True when it is at no level any more."""
        return self.sequence is None and self.data is None and self.file is None


class StateTree(PrefixTree[State]):
    """The states by their tokens, and which of them others make useless."""

    def usable(self, prompt: Tokens) -> Iterator[tuple[int, State]]:
        """What `prompt` begins with. All of it is of no use without the logits to draw from."""
        return ((n, state) for n, state in self.along(prompt) if n < len(prompt) or state.logits is not None)

    def is_part(self, tokens: Tokens) -> bool:
        """Whether `tokens` may be the beginning of many prompts: what lies beyond a turn is the history of one."""
        return not any(state.kind is Kind.TURN for _, state in self.along(tokens))

    def is_worth_keeping(self, state: State) -> bool:
        """Whether `state` will be asked for once its scene is over: an end from which a talk went on hardly is."""
        return state.kind is Kind.PART or next(self.below(state.tokens), None) is None

    def outdated(self, state: State, kind: Kind, below: int) -> list[State]:
        """The ends that `state`, kept as `kind`, makes useless.

        They are on the way to it, hold less than `below` tokens, and nothing else goes on from them, unless words that
        were read ahead and never said: those go too at the end of a turn. The last `UNDONE_TURNS` ends of turns stay.
        """
        if kind is Kind.PART:
            return []
        ends = {Kind.PROMPT} if kind is Kind.PROMPT else {Kind.PROMPT, Kind.TURN}
        way = [each for _, each in self.along(state.tokens)]
        turns = [each for each in way if each.kind is Kind.TURN and each is not state]
        spared = turns[-UNDONE_TURNS:]
        found: dict[State, None] = {}
        for old in way:
            if old.kind not in ends or len(old.tokens) >= below:
                continue
            others = [each for each in self.below(old.tokens) if each not in way]
            if not others or (kind is Kind.TURN and all(each.kind is Kind.PROMPT for each in others)):
                found |= dict.fromkeys(others if old in spared else [old, *others])
        return list(found)
