"""A prompt as segments: who opens a turn, what is said, where it closes.

Control tokens never travel as text. `Open` and `Close` are the only ways to begin and end a turn; each backend turns
them into its own control tokens by id, or into message objects, and every `Text` is tokenised without special parsing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
PartName = Literal["rules", "persona", "facts", "history", "turn"]


@dataclass(frozen=True, slots=True)
class Open:
    """A turn of `role` begins."""

    role: Role


@dataclass(frozen=True, slots=True)
class Text:
    """Words inside a turn. `token_ids`, where known, are the exact ids that the vocabulary `fingerprint` gave them."""

    text: str
    fingerprint: str = ""
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Close:
    """The open turn ends."""


Segment = Open | Text | Close


@dataclass(frozen=True, slots=True)
class Part:
    """One of the five parts of a prompt. A part's end is a place where an engine may fork."""

    name: PartName
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Parts in their order: rules, persona, facts, history, turn. It ends inside an open assistant turn."""

    parts: tuple[Part, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments of all parts, in order."""
        return tuple(segment for part in self.parts for segment in part.segments)
