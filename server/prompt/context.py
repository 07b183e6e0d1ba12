"""What goes into one turn's prompt, and what comes out of building it."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.personas.persona import Persona
from server.prompt.shares import Shares
from server.text.segments import Prompt, Segment, Text


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A past turn as it was written: the user text of its part 5, and the heard reply (None where nothing was heard).

    `memory_ids` and `lore_ids` stand in it, and are not recalled again while it is in the prompt.
    """

    written: tuple[str, ...]
    reply: Text | None
    memory_ids: tuple[int, ...] = ()
    lore_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A droppable piece of part 5: a memory or a lore entry. `key` is its id.

    Pieces are offered best first; those that go in are told by `order`, the lowest first.
    """

    key: str
    text: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class TurnContext:
    """Everything that may go into a prompt.

    `rules` is part 1; `persona` part 2; `facts` part 3 (summary and standing facts, most important first); `history`
    part 4, oldest first. Part 5 in its order: `scene` (what changed), `events` (witnessed since the last turn, oldest
    first, each already labelled with its speaker), `warm_memories`, `line` (the player's line, labelled; empty for a
    cue), `memories` and `lore` that the line recalled (best first), `others` (labelled lines of NPCs that answered the
    same line before this one), `cue` (instruction; empty for none).
    """

    rules: str
    persona: Persona
    player_name: str
    facts: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    scene: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    warm_memories: tuple[Item, ...] = ()
    line: str = ""
    memories: tuple[Item, ...] = ()
    lore: tuple[Item, ...] = ()
    others: tuple[str, ...] = ()
    cue: str = ""


@dataclass(frozen=True, slots=True)
class PromptLimits:
    """In tokens: the whole prompt; what part 5 may add beyond the player's line; memories and lore within that.

    `time_tokens` is what the machine can evaluate before the deadline, None where that is not known. It governs part 5
    alone: parts 1 to 4 are never cut to save time. `shares` divide all that among the blocks.
    """

    prompt_tokens: int
    new_tokens: int
    recall_tokens: int
    time_tokens: int | None = None
    shares: Shares = field(default_factory=Shares)


@dataclass(frozen=True, slots=True)
class Block:
    """One row of the report, in tokens: what a block got, and what it lost for want of room.

    `why` it lost that: `share` (its own was full), `time` (no more can be read before the deadline), `turn` (what a
    turn may add was full) or `prompt` (the whole was full); empty where it lost nothing. The block `frame` is the
    control tokens of all parts but history, whose row counts its own.
    """

    name: str
    tokens: int
    dropped: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class BuiltPrompt:
    """A prompt within its limits.

    `written` is part 5's user text as rendered, piece by piece: it becomes the turn's history entry. `kept_history`
    counts the entries of `history` that fit (the newest ones). `kept_keys` are the items of part 5 that went in.
    """

    prompt: Prompt
    tokens: int
    blocks: tuple[Block, ...]
    written: tuple[str, ...]
    kept_history: int
    kept_keys: frozenset[str]


__all__ = ["Block", "BuiltPrompt", "HistoryEntry", "Item", "PromptLimits", "Segment", "TurnContext"]
