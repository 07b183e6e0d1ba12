"""Part 5: what is new in this turn, by priority, in an order that lets the engine read ahead of the player's line.

What stands before the line is chosen without regard to the line and to what it recalls, so that a warmed prompt is a
prefix of the prompt that follows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from server.prompt.context import Item, TurnContext
from server.prompt.pieces import KNOWN, REMEMBERED, Choice, Piece, as_line, aside, cost, fit, measure, pieces
from server.prompt.rules import OWN_ACCORD
from server.prompt.shares import Shares
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


@dataclass(frozen=True, slots=True)
class Plan:
    """How part 5 divides its room: `turn` is what a turn may add at most, of which blocks have their shares."""

    shares: Shares
    turn: int

    def cap(self, name: str) -> int:
        """The most that a block may take."""
        return self.shares.of(name).cap(self.turn)

    def kept_for(self, *names: str) -> int:
        """What blocks that choose later have at least."""
        return sum(self.shares.of(name).least for name in names)

    @property
    def others_first(self) -> bool:
        """Whether what others answered goes before all the rest."""
        return self.shares.first("others", "scene", "events", "memories", "lore")[0] == "others"


FREE = Plan(Shares(), 1_000_000)
"""Shares as they are unless set otherwise, without an end to what a turn may add."""


def choose_others(context: TurnContext, room: int, tokenizer: Tokenizer, plan: Plan = FREE) -> Choice:
    """What others answered to the same line; the newest matter most."""
    if plan.others_first:
        room -= plan.kept_for("scene", "events", "memories", "lore")
    return _newest_first(pieces(context.others, tokenizer), min(room, plan.cap("others")))


def choose_prelude(
    context: TurnContext, room: int, recall_tokens: int, tokenizer: Tokenizer, plan: Plan = FREE
) -> Prelude:
    """Fill `room` tokens before the line: scene, the newest events, memories, then older events.

    Scene and events choose by priority; what memories and lore have at least is kept for them. Memories take at most
    half of `recall_tokens`; the rest is kept for what the line will recall, and older events get only what is left
    beside it.
    """
    left = room - plan.kept_for("memories", "lore")
    events = pieces(context.events, tokenizer)
    chosen = {"scene": Choice(), "events": Choice()}
    waiting = plan.shares.first("scene", "events")
    for name in tuple(waiting):
        waiting.remove(name)
        share = min(left - plan.kept_for(*waiting), plan.cap(name))
        offered = pieces(map(aside, context.scene), tokenizer) if name == "scene" else events[-NEWEST_EVENTS:]
        chosen[name] = fit(offered, share) if name == "scene" else _newest_first(offered, share)
        left -= chosen[name].tokens
    scene, newest = chosen["scene"], chosen["events"]
    left += plan.kept_for("memories", "lore")
    memories = fit(_memories(context.warm_memories, tokenizer), min(recall_tokens // 2, left, plan.cap("memories")))
    left -= memories.tokens
    recall_room = max(0, min(recall_tokens - memories.tokens, left))
    older_room = min(left - recall_room, plan.cap("events") - newest.tokens)
    older = _newest_first(events[:-NEWEST_EVENTS], older_room)
    return Prelude(
        scene=scene,
        events=Choice((*older.kept, *newest.kept), older.dropped + newest.dropped),
        memories=memories,
        recall_room=recall_room,
    )


def choose_recalled(context: TurnContext, prelude: Prelude, tokenizer: Tokenizer, plan: Plan = FREE) -> Recalled:
    """Memories and lore, best first; a memory that stands before the line is not told twice."""
    told = {piece.key for piece in prelude.memories.kept}
    offered = {
        "memories": _memories(context.memories, tokenizer, told),
        "lore": _labelled(context.lore, KNOWN, tokenizer),
    }
    chosen: dict[str, Choice] = {}
    room = prelude.recall_room
    first, second = plan.shares.first("memories", "lore")
    kept = min(plan.kept_for(second), cost(offered[second]))
    chosen[first] = fit(offered[first], min(room - kept, plan.cap(first) - _before(prelude, first)))
    room -= chosen[first].tokens
    chosen[second] = fit(offered[second], min(room, plan.cap(second) - _before(prelude, second)))
    order = {item.key: item.order for item in context.lore}
    lore = sorted(chosen["lore"].kept, key=lambda piece: order[piece.key])
    return Recalled(chosen["memories"], Choice(tuple(lore), chosen["lore"].dropped))


def _before(prelude: Prelude, name: str) -> int:
    return prelude.memories.tokens if name == "memories" else 0


def _memories(items: Iterable[Item], tokenizer: Tokenizer, told: Collection[str] = ()) -> tuple[Piece, ...]:
    return _labelled((item for item in items if item.key not in told), REMEMBERED, tokenizer)


def _labelled(items: Iterable[Item], label: str, tokenizer: Tokenizer) -> tuple[Piece, ...]:
    measured = (measure(aside(item.text, label=label), tokenizer, item.key) for item in items)
    return tuple(piece for piece in measured if piece.text)


def _newest_first(offered: tuple[Piece, ...], room: int) -> Choice:
    chosen = fit(reversed(offered), room)
    return Choice(tuple(reversed(chosen.kept)), chosen.dropped)
