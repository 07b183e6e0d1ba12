"""A request as Anthropic's messages (API reference, "Messages" and "Count message tokens"; guide "Prompt caching").

The prompt is sent in the order in which it changes: rules and persona, standing facts, history, this turn. A cache
breakpoint stands at the end of each of the first three, so that the provider reads again only what is new. Each turn of
the prompt is a block of its own, because the cache compares blocks: they stay what they are when the turn becomes
history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from server.backends.base import Request
from server.backends.hosted.anthropic.stream import MessageStream
from server.backends.hosted.messages import Spoken, spoken
from server.backends.hosted.wire import MAX_STOPS, Asked
from server.text.segments import Prompt

VERSION: Final = "2023-06-01"
_BREAKPOINT: Final = {"cache_control": {"type": "ephemeral"}}
_CACHED_PARTS: Final = ("persona", "facts", "history")
_OPENING: Final = "…"
"""Stands in front of a conversation that the NPC began: the format wants a user's message first."""


class Messages:
    """`base_url`/messages."""

    path = "messages"
    count_path = "messages/count_tokens"
    list_query: Mapping[str, str] = {"limit": "1000"}

    def headers(self, key: str) -> dict[str, str]:
        """The key and the version of the format."""
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def body(self, request: Request, asked: Asked) -> dict[str, Any]:
        """The streamed message that answers `request`."""
        body = {
            **self.count_body(request, asked),
            "max_tokens": request.max_tokens,
            "stream": True,
            # One of temperature and top_p, not both: newer models refuse a request that sets the two.
            "temperature": min(request.sampling.temperature_or(), 1.0),
        }
        stops = [stop for stop in request.stop if stop.strip()][:MAX_STOPS]
        return {**body, "stop_sequences": stops} if stops else body

    def count_body(self, request: Request, asked: Asked) -> dict[str, Any]:
        """The part of the body whose tokens are the prompt's."""
        system, messages = _blocks(request.prompt)
        return {"model": asked.model, **({"system": system} if system else {}), "messages": messages}

    def stream(self, model: str) -> MessageStream:
        """A reader of message events."""
        return MessageStream(model)


def _blocks(prompt: Prompt) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The system's blocks, and the messages."""
    turns = spoken(prompt)
    ends = _last_of_parts(turns)
    system: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    numbered = groupby(enumerate(turns), key=lambda entry: entry[1].role)
    for role, same in numbered:
        blocks = [_block(turn, nth > 0, index in ends) for nth, (index, turn) in enumerate(same)]
        if role == "system":
            system += blocks
        else:
            messages.append({"role": role, "content": blocks})
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [{"type": "text", "text": _OPENING}]})
    return system, messages


def _block(turn: Spoken, continues: bool, ends_part: bool) -> dict[str, Any]:
    text = f"\n\n{turn.text}" if continues else turn.text  # blocks of one message are joined without a space
    return {"type": "text", "text": text, **(_BREAKPOINT if ends_part else {})}


def _last_of_parts(turns: Sequence[Spoken]) -> set[int]:
    """The places of breakpoints: where each part ends whose text comes again; rules alone count as persona."""
    last = {"persona" if turn.part == "rules" else turn.part: index for index, turn in enumerate(turns)}
    return {last[part] for part in _CACHED_PARTS if part in last}
