"""What is kept of a turn for `barkeep explain`: the message that ended it, what was recalled and why, and its lore."""

from __future__ import annotations

from typing import Any

from server.dialogue.prompting import Prompting
from server.memory.recall import Recalled
from server.personas.books.scan import Verdict
from server.protocol.messages import TurnEnd


def trace_of(end: TurnEnd, prompting: Prompting | None) -> dict[str, Any]:
    """The trace as memory keeps it: `turn.end` as sent, `recalled`, best first, and `lore` of books."""
    trace: dict[str, Any] = end.model_dump(mode="json")
    if prompting is not None:
        kept = prompting.used(end.route.name).kept_keys
        trace["recalled"] = [_memory(one, str(one.event.seq) in kept) for one in prompting.briefing.recalled]
        trace["lore"] = [_lore(one, one.entry in kept) for one in prompting.briefing.book_lore.verdicts]
    return trace


def _lore(one: Verdict, is_kept: bool) -> dict[str, Any]:
    return {"entry": one.entry, "outcome": one.outcome, "tokens": one.tokens, "in_prompt": is_kept, "why": one.why}


def _memory(one: Recalled, is_kept: bool) -> dict[str, Any]:
    return {
        "event": one.event.seq,
        "text": one.text,
        "score": round(one.score, 4),
        "hop": one.hop,
        "fact": one.fact is not None,
        "in_prompt": is_kept,
        "why": {part: round(value, 4) for part, value in one.why.items()},
    }
