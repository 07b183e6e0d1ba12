"""Part 5: what is new in this turn, by priority, in an order that lets the engine read ahead of the player's line.

What stands before the line is chosen without regard to the line and to what it recalls, so that a warmed prompt is a
prefix of the prompt that follows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from server.prompt.context import Item, TurnContext
from server.prompt.pieces import KNOWN, REMEMBERED, Choice, Piece, as_line, aside, fit, measure, pieces
from server.prompt.rules import OWN_ACCORD
from server.prompt.tokens import Tokenizer

NEWEST_EVENTS = 3
"""So many of the latest events go before memories; older ones get what memories and lore cannot use."""


@dataclass(frozen=True, slots=True)
class Prelude:
    """What stands before the line, and the tokens that are left for what it recalls."""

    scene: Choice
    events: Choice
    memories: Choice
    recall_room: int

    @property
    def kept(self) -> tuple[Piece, ...]:
        """All kept pieces, in order."""
        return (*self.scene.kept, *self.events.kept, *self.memories.kept)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the line recalled."""

    memories: Choice
    lore: Choice


def line_of(context: TurnContext, tokenizer: Tokenizer) -> tuple[Piece, ...]:
    """The player's line: one piece, or none."""
    return pieces((context.line,), tokenizer)


def said_so_far(line: str) -> str:
    """The beginning of the player's line without its last word and the space before it.

    A tokenizer may join what is still being typed with what stands there already; across a space it does not.
    """
    said, _, unfinished = as_line(line).rstrip("\n").rpartition(" ")
    return said if unfinished else ""


def cue_of(context: TurnContext, tokenizer: Tokenizer) -> tuple[Piece, ...]:
    """The cue: one piece, or none. A turn that answers nobody always has one."""
    cue = aside(context.cue)
    if not cue and not any(map(as_line, (context.line, *context.others))):
        cue = aside(OWN_ACCORD)
    return pieces((cue,), tokenizer)


def choose_others(context: TurnContext, room: int, tokenizer: Tokenizer) -> Choice:
    """What others answered to the same line; the newest matter most."""
    return _newest_first(pieces(context.others, tokenizer), room)


def choose_prelude(context: TurnContext, room: int, recall_tokens: int, tokenizer: Tokenizer) -> Prelude:
    """Fill `room` tokens before the line: scene, the newest events, memories, then older events.

    Memories take at most half of `recall_tokens`; the rest is kept for what the line will recall, and older events get
    only what is left beside it.
    """
    scene = fit(pieces(map(aside, context.scene), tokenizer), room)
    room -= scene.tokens
    events = pieces(context.events, tokenizer)
    newest = _newest_first(events[-NEWEST_EVENTS:], room)
    room -= newest.tokens
    memories = fit(_memories(context.warm_memories, tokenizer), min(recall_tokens // 2, room))
    room -= memories.tokens
    recall_room = min(recall_tokens - memories.tokens, room)
    older = _newest_first(events[:-NEWEST_EVENTS], room - recall_room)
    return Prelude(
        scene=scene,
        events=Choice((*older.kept, *newest.kept), older.dropped + newest.dropped),
        memories=memories,
        recall_room=recall_room,
    )


def choose_recalled(context: TurnContext, prelude: Prelude, tokenizer: Tokenizer) -> Recalled:
    """Memories, then lore, best first; a memory that stands before the line is not told twice."""
    told = {piece.key for piece in prelude.memories.kept}
    memories = fit(_memories(context.memories, tokenizer, told), prelude.recall_room)
    lore = fit(_labelled(context.lore, KNOWN, tokenizer), prelude.recall_room - memories.tokens)
    return Recalled(memories, lore)


def _memories(items: Iterable[Item], tokenizer: Tokenizer, told: Collection[str] = ()) -> tuple[Piece, ...]:
    return _labelled((item for item in items if item.key not in told), REMEMBERED, tokenizer)


def _labelled(items: Iterable[Item], label: str, tokenizer: Tokenizer) -> tuple[Piece, ...]:
    measured = (measure(aside(item.text, label=label), tokenizer, item.key) for item in items)
    return tuple(piece for piece in measured if piece.text)


def _newest_first(offered: tuple[Piece, ...], room: int) -> Choice:
    chosen = fit(reversed(offered), room)
    return Choice(tuple(reversed(chosen.kept)), chosen.dropped)
