"""Counting tokens: the interface, and the estimate used where no vocabulary is at hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from server.text.segments import Close, Open, Segment, Text

BYTES_PER_TOKEN = 3
"""Low on purpose: an estimate may waste budget but must not overrun it (LFM2: 4 to 5 bytes a token in English)."""


class Tokenizer(Protocol):
    """Counts tokens of plain text, special parsing off. Calls are pure, thread-safe and fast."""

    @property
    def fingerprint(self) -> str:
        """Names the vocabulary; token ids are valid only under the same fingerprint."""

    @property
    def exact(self) -> bool:
        """True where counts equal what the engine will evaluate."""

    def count(self, text: str) -> int:
        """The number of tokens of `text`."""


class EstimatedTokenizer:
    """Counts without a vocabulary, on the high side."""

    fingerprint = "estimate"
    exact = False

    def count(self, text: str) -> int:
        """UTF-8 bytes divided by `BYTES_PER_TOKEN`, rounded up."""
        return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class ScaledTokenizer:
    """Counts for a vocabulary that is not at hand: another one's counts times `factor`, each rounded up."""

    base: Tokenizer
    factor: float

    @property
    def fingerprint(self) -> str:
        """No ids are valid under it."""
        return ""

    @property
    def exact(self) -> bool:
        """Never."""
        return False

    def count(self, text: str) -> int:
        """The tokens of `text`, on the high side."""
        return math.ceil(self.base.count(text) * self.factor)


def count_segments(segments: Iterable[Segment], tokenizer: Tokenizer) -> int:
    """Tokens of `segments` in a ChatML layout, without the start-of-text token that opens a whole prompt.

    `Open` is a control token, the role and a line feed; `Close` a control token and a line feed.
    """
    total = 0
    for segment in segments:
        match segment:
            case Open(role=role):
                total += 1 + tokenizer.count(f"{role}\n")
            case Close():
                total += 1 + tokenizer.count("\n")
            case Text(text=text, fingerprint=fingerprint, token_ids=token_ids):
                known = bool(token_ids) and fingerprint == tokenizer.fingerprint
                total += len(token_ids) if known else tokenizer.count(text)
    return total
