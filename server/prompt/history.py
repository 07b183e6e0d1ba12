"""Part 4: past turns, exactly as they were written and heard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.prompt.context import HistoryEntry
from server.prompt.pieces import as_line
from server.prompt.tokens import Tokenizer, count_segments
from server.text.control import neutralise
from server.text.segments import Close, Open, Segment, Text


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A history entry as segments, and what they cost."""

    segments: tuple[Segment, ...]
    tokens: int


def past_turns(history: Iterable[HistoryEntry], tokenizer: Tokenizer) -> tuple[PastTurn, ...]:
    """Each entry as its user turn, and the NPC's turn where something was heard.

    The written pieces are made harmless once more, as memory may be imported; what this room wrote stays as it is.
    """
    user = count_segments((Open("user"), Close()), tokenizer)
    assistant = count_segments((Open("assistant"), Close()), tokenizer)
    found: list[PastTurn] = []
    for entry in history:
        written = tuple(Text(line) for line in map(as_line, entry.written) if line)
        segments: tuple[Segment, ...] = (Open("user"), *written, Close())
        tokens = user + count_segments(written, tokenizer)
        if entry.reply is not None:
            reply = _harmless(entry.reply)
            segments = (*segments, Open("assistant"), reply, Close())
            tokens += assistant + count_segments((reply,), tokenizer)
        found.append(PastTurn(segments, tokens))
    return tuple(found)


def first_kept(costs: Sequence[int], room: int) -> int:
    """The index of the first entry that stays when history, oldest first, may cost `room` tokens.

    History is followed entry by entry as it grew: each time it passes `room`, its newer half stays, repeatedly until it
    fits. So the prefix stays for many turns, whether or not the caller still passes entries that were dropped before.
    """
    first = held = 0
    for end, cost in enumerate(costs, start=1):
        held += cost
        while held > room:
            middle = first + (end - first + 1) // 2
            held -= sum(costs[first:middle])
            first = middle
    return first


def _harmless(reply: Text) -> Text:
    text = neutralise(reply.text)
    return reply if text == reply.text else Text(text)
