"""Leaving out the oldest turns of a conversation that is longer than its room."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.dialogue.completions.wanted import ChatMessage


def fit(
    messages: Sequence[ChatMessage], room: int, count: Callable[[ChatMessage], int]
) -> tuple[ChatMessage, ...] | None:
    """The messages within `room` tokens: leading system messages and the newest whole turns. None where those are more.

    History is left out by halves, and where it was cut follows from its beginning alone: as a conversation grows, the
    cut stays where it is until the room is full again, so that most prompts only grow at their end.
    """
    head = next((at for at, message in enumerate(messages) if message.role != "system"), len(messages))
    sizes = [count(message) for message in messages]
    left = room - sum(sizes[:head])
    start = _cut(messages, sizes, head, left)
    if sum(sizes[start:]) > left:
        return None
    return (*messages[:head], *messages[start:])


def _cut(messages: Sequence[ChatMessage], sizes: Sequence[int], head: int, left: int) -> int:
    """Where what is kept begins: walked as the conversation grew, each time the room was full down to half of it."""
    last = _last_turn(messages, head)
    start, kept = head, 0
    for at in range(head, len(messages)):
        kept += sizes[at]
        if kept <= left:
            continue
        while start < min(last, at + 1) and (kept > left // 2 or messages[start].role != "user"):
            kept -= sizes[start]
            start += 1
    return start


def _last_turn(messages: Sequence[ChatMessage], head: int) -> int:
    """Where the last turn begins: the newest user's message stays, with all behind it."""
    return next((at for at in range(len(messages) - 1, head - 1, -1) if messages[at].role == "user"), head)
