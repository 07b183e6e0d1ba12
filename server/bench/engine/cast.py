"""Characters to talk to, made from plain words: the same for the same vocabulary and seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from server.bench import words
from server.prompt.tokens import Tokenizer

PERSONA_TOKENS = 880
"""Rules, persona and standing facts of a character together."""
RULES_TOKENS = 160
FACTS_TOKENS = 60
LINE_TOKENS = 24
"""A player's line: some twenty words, so that a turn with its frame brings about 35 new tokens."""


@dataclass(frozen=True, slots=True)
class Character:
    """Parts 1 to 3 of a prompt. `rules` are shared by all of a cast."""

    id: str
    rules: str
    persona: str
    facts: str


class Writer:
    """Writes texts of a wanted length in tokens of one vocabulary."""

    def __init__(self, tokenizer: Tokenizer, seed: int = 0) -> None:
        self._tokenizer = tokenizer
        self._seed = seed
        self._rules = self.text("rules", RULES_TOKENS, begin="Answer as the one described here, in one short line.")

    def character(self, number: int, tokens: int = PERSONA_TOKENS) -> Character:
        """Character `number`, of about `tokens` tokens; every number gives another."""
        name = f"{words.NAMES[number % len(words.NAMES)]} {number}"
        source = self._source("persona", number)
        begin = f" {name} is the {source.choice(words.QUALITIES)} {source.choice(words.TRADES)} of the town."
        persona = self.text(f"persona {number}", max(16, tokens - RULES_TOKENS - FACTS_TOKENS), begin=begin)
        return Character(f"npc{number}", self._rules, persona, self.text(f"facts {number}", FACTS_TOKENS, begin=""))

    def line(self, key: str) -> str:
        """What a player says; `key` makes it another."""
        return self.text(f"line {key}", LINE_TOKENS, begin="").strip()

    def summary(self, key: str) -> str:
        """Standing facts as they are renewed when a history shrinks."""
        return self.text(f"summary {key}", FACTS_TOKENS, begin="")

    def scene(self, key: str) -> str:
        """A word on time and place, one sentence."""
        source = self._source("scene", key)
        return f"It is {source.choice(words.TIMES)} {source.randrange(100)} at the {source.choice(words.PLACES)}."

    def text(self, key: str, tokens: int, *, begin: str) -> str:
        """Sentences after `begin`, of `tokens` tokens or a few more; each sentence begins with a space."""
        text, sentences = begin, _sentences(self._source("text", key))
        while self._tokenizer.count(text) < tokens:
            text += next(sentences)
        return text

    def _source(self, *key: object) -> random.Random:
        # A text seeds alike in every process; a tuple's hash does not.
        return random.Random(f"{self._seed} {key}")


def _sentences(source: random.Random) -> Iterator[str]:
    pick = source.choice
    while True:
        yield pick(
            (
                f" {pick(words.NAMES)} {pick(words.DEEDS)} the {pick(words.QUALITIES)} {pick(words.THINGS)}.",
                f" Every {pick(words.TIMES)} the {pick(words.TRADES)} {pick(words.DEEDS)} a {pick(words.THINGS)}.",
                f" The {pick(words.THINGS)} was last seen near the {pick(words.PLACES)} by {pick(words.NAMES)}.",
                f" A {pick(words.QUALITIES)} {pick(words.TRADES)} never {pick(words.DEEDS)} what {pick(words.NAMES)} "
                f"{pick(words.DEEDS)} at the {pick(words.PLACES)}.",
            )
        )
