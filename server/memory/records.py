"""What memory keeps, as plain records. Rows in, rows out: no record knows the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Witnessing = Literal["present", "spoke", "whispered", "named", "heard", "told"]
"""`heard`: without seeing it. `told`: the event's speaker told of it, and the witness saw nothing itself."""
TurnReason = Literal["done", "stopped", "superseded", "failed"]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened, before it has a place in the log. `time` is game seconds, `wall_s` Unix seconds.

    `each` says of some witnesses how they came to know, where that is not `how`. `claim`: the speaker says so, and
    nobody vouches for it.
    """

    kind: str
    text: str
    speaker: str
    speaker_name: str
    player: str
    wall_s: float
    witnesses: tuple[str, ...]
    how: Witnessing = "present"
    scene: str = ""
    place: str = ""
    time: float | None = None
    importance: float = 0.3
    turn: str | None = None
    each: Mapping[str, Witnessing] = field(default_factory=dict)
    claim: bool = False


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event in the log. `seq` orders everything; clocks order nothing."""

    seq: int
    kind: str
    text: str
    speaker: str
    speaker_name: str
    player: str
    scene: str
    place: str
    time: float | None
    wall_s: float
    importance: float
    how: Witnessing
    turn: str | None
    claim: bool = False


@dataclass(frozen=True, slots=True)
class SavePoint:
    """A moment of a game that has no names for its saves. `time` is game seconds.

    `count` grows with each save. Without `character` it is no save but any moment.
    """

    time: float
    character: str = ""
    count: int | None = None

    @property
    def name(self) -> str:
        """What a mark made here is called."""
        return f"{self.character} @{self.time:.3f} #{self.count or 0}"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A client's own message id within the lineage of its sessions."""

    lineage: str
    client_id: str


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A finished turn, as it was written.

    `written` is part 5's user text piece by piece; `reply` the heard text, with the ids that the vocabulary
    `fingerprint` gave it where it is exactly what was generated. `read_to` is the newest event seq the NPC had in its
    prompt. `trace` is the turn.end message as sent.
    """

    turn: str
    npc: str
    player: str
    reason: TurnReason
    text: str
    heard: str
    written: tuple[str, ...]
    fingerprint: str
    token_ids: tuple[int, ...]
    memory_ids: tuple[int, ...]
    lore_ids: tuple[str, ...]
    read_to: int
    trace: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session that was. `lineage` is the first session of the chain it resumed."""

    session: str
    lineage: str
    world: str
    player: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a client's message became: the event's seq (None where nothing happened) and its turns, as (turn, npc).

    `repeated` is true where the request was answered before: nothing was written, and no turn is to be begun again.
    """

    seq: int | None
    turns: tuple[tuple[str, str], ...]
    why: str | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """Where a world's present is written. Each load opens a branch, and with it the world's next epoch."""

    branch: int
    epoch: int
