"""How events read in a prompt: a labelled line for speech, a bracketed sentence for what happened."""

from __future__ import annotations

from dataclasses import replace

from server.memory.recall import Recalled
from server.memory.records import StoredEvent
from server.text.control import clean_name
from server.text.labels import labelled

SAY = "say"
LINE = "line"
SPOKEN = frozenset({SAY, LINE})

_NOW = {"told": "{name} tells you: {text}", "heard": "You hear, but do not see: {text}"}
_THEN = {"told": "{name} told you: {text}", "heard": "You heard, but did not see: {text}", "present": "You saw: {text}"}


def as_line(event: StoredEvent) -> str:
    """An event as the NPC hears it now."""
    if event.kind not in SPOKEN:
        return f"[{_noticed(event, _NOW)}]"
    if event.how == "whispered":
        return labelled(f"{event.speaker_name} (whispering)", event.text)
    return labelled(event.speaker_name, event.text)


def as_memory(event: StoredEvent, npc: str) -> str:
    """An event as the NPC remembers it."""
    if event.kind not in SPOKEN:
        return _noticed(event, _THEN)
    if event.speaker == npc and event.kind == LINE:
        return f"You said: {event.text}"
    return f"{event.speaker_name} {_manner(event)}: {event.text}"


def as_recalled(memory: Recalled, npc: str) -> str:
    """A memory in as few words as tell it; what somebody said of others keeps who said it."""
    event, fact = memory.event, memory.fact
    if fact is not None and fact.subject == event.speaker_name and not event.claim and event.speaker != npc:
        told = memory.text
    else:
        told = as_memory(replace(event, text=memory.text), npc)
    # A claim does not say what was so before it.
    return f"{told} (It was {memory.former} before.)" if memory.former and not event.claim else told


def source_of(event: StoredEvent, npc: str) -> str:
    """How the NPC came by a memory."""
    if event.kind not in SPOKEN and event.how != "told":
        return "heard" if event.how == "heard" else "saw"
    if event.speaker == npc and event.kind == LINE:
        return "said"
    return f"claimed by {event.speaker_name}" if event.claim else f"heard from {event.speaker_name}"


def _noticed(event: StoredEvent, words: dict[str, str]) -> str:
    """What happened, as this NPC came to know of it."""
    pattern = words.get(event.how, "{text}")
    return pattern.format(name=clean_name(event.speaker_name), text=event.text)


def _manner(event: StoredEvent) -> str:
    if event.how == "whispered":
        return "whispered to you"
    return "claimed" if event.claim else "said"
