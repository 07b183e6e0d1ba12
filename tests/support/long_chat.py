"""A frontend's prompts over a long chat, as SillyTavern makes them: cards before, notes at depth, orders behind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

Message = dict[str, str]

CARD = (
    ("main", 60),
    ("description", 160),
    ("personality", 20),
    ("scenario", 40),
    ("example one", 50),
    ("example two", 50),
    ("start", 4),
)
"""What stands before the chat, with its size in words."""
LORE_AT = 2
"""Lore stands before this one of them, above everything that was said."""
_WORDS = ("ale", "salt", "lamp", "harbour", "rain", "mill", "barge", "coin", "winter", "bread", "stone", "river")


def words(seed: object, count: int) -> str:
    """So many words, the same for the same seed."""
    rng = random.Random(str(seed))
    return " ".join(rng.choice(_WORDS) for _ in range(count)) + "."


def system(text: str) -> Message:
    return {"role": "system", "content": text}


@dataclass
class LongChat:
    """A chat that grows. `depth` puts a note so many messages before the end; `orders` stand behind all."""

    depth: int | None = None
    orders: bool = False
    history: list[Message] = field(default_factory=lambda: [{"role": "assistant", "content": words("greeting", 40)}])

    def say(self, turn: int) -> None:
        """The user's next line."""
        self.history.append({"role": "user", "content": words(("user", turn), 12)})

    def hear(self, text: str) -> None:
        """The answer, trimmed as clients do."""
        self.history.append({"role": "assistant", "content": text.strip()})

    def prompt(self, lore: Sequence[str] = (), newest: int | None = None) -> list[Message]:
        """All messages of the next request; `newest` cuts the chat to its last messages."""
        head = [system(words(name, count)) for name, count in CARD]
        head[LORE_AT:LORE_AT] = [system(text) for text in lore]
        talk = self.history if newest is None else self.history[-newest:]
        if self.depth is not None:
            at = max(0, len(talk) - self.depth)
            talk = [*talk[:at], system(words("note", 25)), *talk[at:]]
        behind = [system(words("orders", 12))] if self.orders else []
        return [*head, *talk, *behind]

    def title(self) -> list[Message]:
        """Another request: a title for what was said last."""
        quoted = "\n".join(f"{each['role']}: {each['content']}" for each in self.history[-6:])
        return [{"role": "user", "content": f"### Task:\nGenerate a concise title for the chat.\n{quoted}"}]


@dataclass
class Reuse:
    """Tokens of prompts: all, those that were not evaluated again, and those that an earlier request began with."""

    prompt: int = 0
    cached: int = 0
    common: int = 0
    common_cached: int = 0

    @property
    def share(self) -> float:
        """Of all tokens, how many were reused."""
        return self.cached / self.prompt

    @property
    def of_common(self) -> float:
        """Of those that an earlier request began with, to the end of a message, how many were."""
        return self.common_cached / self.common

    def add(self, usage: dict[str, Any], common: int) -> None:
        """One request, whose first `common` tokens were there before."""
        cached = usage["prompt_tokens_details"]["cached_tokens"]
        self.prompt += usage["prompt_tokens"]
        self.cached += cached
        self.common += common
        self.common_cached += min(cached, common)


class Earlier:
    """The messages of all requests so far, with their answers."""

    def __init__(self) -> None:
        self._talks: list[list[Message]] = []

    def common(self, prompt: list[Message]) -> list[Message]:
        """The longest beginning of `prompt` that an earlier one has too, in whole messages; it is remembered then."""
        shared = (
            [mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, other, strict=False))]
            for other in self._talks
        )
        longest = max(shared, key=len, default=[])
        self._talks.append(list(prompt))
        return longest

    def answered(self, text: str) -> None:
        """The newest request was answered so."""
        self._talks[-1].append({"role": "assistant", "content": text.strip()})
