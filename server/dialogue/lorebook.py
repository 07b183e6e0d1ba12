"""Lorebooks in a conversation: what they are looked through for, and what was told of them before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.dialogue.assignment import Assignment
from server.personas.books.compiled import Books
from server.personas.books.scan import Talk, Verdict, scan
from server.personas.cards.shorten import beginning
from server.personas.persona import Persona
from server.prompt.context import Item
from server.prompt.pieces import KNOWN, aside, measure
from server.prompt.tokens import Tokenizer

if TYPE_CHECKING:
    from server.dialogue.conversation import Conversation
    from server.dialogue.stage import Stage

PAST_TURNS = 512
"""So many turns back it is known what was told; a longer conversation counts as this long."""
MESSAGES_PER_TURN = 2


@dataclass(slots=True)
class LoreLog:
    """Which entries each turn of a conversation told, the oldest first: it follows the timeline, as turns do."""

    turns: list[tuple[str, ...]] = field(default_factory=list)

    def told(self, books: Books) -> dict[str, int]:
        """At which message each entry was last told. One that is told again because it stays keeps its first."""
        told: dict[str, int] = {}
        for number, entries in enumerate(self.turns):
            count = number * MESSAGES_PER_TURN + 1
            for name in entries:
                ready = books.by_id.get(name)
                if ready is not None and (name not in told or count - told[name] > ready.entry.sticky):
                    told[name] = count
        return told


@dataclass(frozen=True, slots=True)
class BookLore:
    """What books bring up for a turn, and what became of every entry that came up."""

    items: tuple[Item, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def from_books(
    stage: Stage,
    world: str,
    persona: Persona,
    player: str,
    conversation: Conversation,
    assignment: Assignment,
    events: Sequence[str] = (),
) -> BookLore:
    """What the lorebooks of this NPC say to what is said; `events` are lines that it has not read yet, oldest first."""
    books = stage.library.books(persona.id, persona.name, player)
    if books is None:
        return BookLore()
    room, tokenizer = stage.settings.budget.recall_tokens, stage.tokenizer()

    def fitted(text: str) -> str:
        """The text, cut at the end of a sentence where all of the room would not hold it."""
        return beginning(text, lambda some: _tokens(some, tokenizer) <= room)[0] or text

    count = len(conversation.lore_log.turns) * MESSAGES_PER_TURN + 1
    talk = Talk(
        messages=tuple(_newest_first(persona, player, conversation, assignment, events)),
        count=count,
        replies=count // MESSAGES_PER_TURN,
        seed=f"{world}/{assignment.turn}",
        names=frozenset((persona.id, persona.name.casefold())),
        tags=stage.library.tags(persona.id),
        told=conversation.lore_log.told(books),
        standing=conversation.lore_ids,
    )
    found = scan(books, talk, room, lambda text: _tokens(fitted(text), tokenizer))
    items = (Item(each.id, fitted(each.text), order) for order, each in enumerate(found.entries))
    best = sorted(items, key=lambda item: books.by_id[item.key].chooses_before())
    return BookLore(tuple(best), found.verdicts)


def _tokens(text: str, tokenizer: Tokenizer) -> int:
    return measure(aside(text, label=KNOWN), tokenizer).tokens


def _newest_first(
    persona: Persona, player: str, conversation: Conversation, assignment: Assignment, events: Sequence[str]
) -> Iterable[tuple[str, str]]:
    """Speakers and their words; what stands in brackets nobody said."""
    if assignment.heard:
        yield player, assignment.heard
    yield from (("", line) for line in reversed(events))
    for entry in reversed(conversation.entries):
        if entry.reply is not None:
            yield persona.name, entry.reply.text
        yield from (("", line.rstrip("\n")) for line in reversed(entry.written) if not line.startswith("["))
