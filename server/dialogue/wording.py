"""How events read in a prompt: a labelled line for speech, a bracketed sentence for what happened."""

from __future__ import annotations

from server.memory.records import StoredEvent
from server.text.labels import labelled

SAY = "say"
LINE = "line"
SPOKEN = frozenset({SAY, LINE})


def as_line(event: StoredEvent) -> str:
    """An event as the NPC hears it now."""
    if event.kind not in SPOKEN:
        return f"[{event.text}]"
    if event.how == "whispered":
        return labelled(f"{event.speaker_name} (whispering)", event.text)
    return labelled(event.speaker_name, event.text)


def as_memory(event: StoredEvent, npc: str) -> str:
    """An event as the NPC remembers it."""
    if event.kind not in SPOKEN:
        return event.text
    if event.speaker == npc and event.kind == LINE:
        return f"You said: {event.text}"
    return f"{event.speaker_name} said: {event.text}"


def source_of(event: StoredEvent, npc: str) -> str:
    """How the NPC came by a memory."""
    if event.kind not in SPOKEN:
        return "saw"
    return "said" if event.speaker == npc and event.kind == LINE else f"heard from {event.speaker_name}"
