"""What the engine is asked to do."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from server.backends.llama.pipe import Frame
from server.backends.llama.tree import Tokens

Operation = Literal["generate", "warm", "choose"]


class BadJob(Exception):
    """A frame that asks for something impossible; the message says what."""


@dataclass(frozen=True, slots=True)
class Job:
    """One `generate`, `warm` or `choose`.

    `bounds` are token counts, ascending, where a part of the prompt ends that other prompts may begin with too.
    """

    id: int
    operation: Operation
    tokens: Tokens
    priority: int
    bounds: tuple[int, ...] = ()
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    grammar: str | None = None
    choices: tuple[str, ...] = ()
    logprobs: int | None = None

    @property
    def speaks(self) -> bool:
        """False for a warm, which reads the prompt and says nothing."""
        return self.operation != "warm"

    @classmethod
    def from_frame(cls, frame: Frame, vocabulary_size: int) -> Job:
        """The job that a frame asks for.

        Raises:
            BadJob: it has no tokens, or some that the model does not know, or nothing to choose from.
        """
        tokens = frame["tokens"]
        if not tokens:
            raise BadJob("a prompt without a token")
        if min(tokens) < 0 or max(tokens) >= vocabulary_size:
            raise BadJob(f"a token outside the vocabulary of {vocabulary_size}")
        choices = tuple(frame.get("choices") or ())
        if frame["op"] == "choose" and not all(choices or [""]):
            raise BadJob("nothing to choose from, or an empty choice")
        return cls(
            id=frame["id"],
            operation=frame["op"],
            tokens=array("i", tokens),
            priority=frame["priority"],
            bounds=tuple(sorted({bound for bound in frame.get("bounds") or () if 0 < bound <= len(tokens)})),
            max_tokens=frame.get("max_tokens", 0),
            stop=tuple(frame.get("stop") or ()),
            sampling=frame.get("sampling") or {},
            grammar=frame.get("grammar") or None,
            choices=choices,
            logprobs=frame.get("logprobs"),
        )
