"""What a turn is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from server.memory.records import Witnessing


@dataclass(frozen=True, slots=True)
class Assignment:
    """One NPC is to speak.

    `re` is the client's message id, `to` whom the NPC speaks to, `asked_seq` the event it answers (None for a cue),
    `heard` that event's words, `instruction` a cue's. The NPC's lines inherit `witnesses` and `how`. `received_s` is
    the monotonic second in which the client's message came in.
    """

    turn: str
    npc: str
    re: str | None
    to: str | None
    priority: int
    received_s: float
    witnesses: tuple[str, ...]
    how: Witnessing = "present"
    asked_seq: int | None = None
    heard: str = ""
    instruction: str = ""
    deadline_ms: int | None = None
