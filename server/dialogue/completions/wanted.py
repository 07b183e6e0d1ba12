"""What a client of the HTTP API wants, whichever dialect it was said in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from server.backends.base import Sampling

ChatRole = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message as the client sent it.

    `name` is the speaker's where it says one, `calls` are the functions that an assistant called, as JSON.
    """

    role: ChatRole
    text: str
    name: str = ""
    calls: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the client offers. `parameters` is a JSON Schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A reply that somebody wants.

    Either `messages`, or `text`: a prompt as one string, its turns spelt in ChatML. `max_tokens` None is the default.
    `keep_open` False closes a trailing assistant message instead of going on with it. `tool_choice` is `auto`, `none`,
    `required` or a tool's name. `fit` leaves out the oldest turns where not all fit. `side` is a request besides a
    conversation: it gives way to everybody. `ignore_end` forbids the reply to end by itself. `logprobs` counts the
    likeliest tokens to be told at each place, None for none of this.
    """

    messages: tuple[ChatMessage, ...] = ()
    text: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    n: int = 1
    grammar: str = ""
    schema: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    keep_open: bool = True
    fit: bool = False
    side: bool = False
    ignore_end: bool = False
    logprobs: int | None = None

    @property
    def prefills(self) -> bool:
        """Whether the last message is the beginning of the reply."""
        return self.keep_open and bool(self.messages) and self.messages[-1].role == "assistant"

    @property
    def forced(self) -> tuple[Tool, ...]:
        """The tools of which one has to be called; none where the reply is free."""
        if self.tool_choice == "required":
            return self.tools
        return tuple(tool for tool in self.tools if tool.name == self.tool_choice)
