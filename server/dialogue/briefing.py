"""What an NPC is told before it speaks: gathered from memory, scene and lore, not yet fitted to a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from server.dialogue.assignment import Assignment
from server.dialogue.bearing import Sentence, bearing_of
from server.dialogue.conversation import CARRIED_TURNS, MAX_UNREAD_EVENTS, Conversation
from server.dialogue.lore import brought_up
from server.dialogue.lorebook import PAST_TURNS, BookLore, from_books
from server.dialogue.scene import SceneView
from server.dialogue.stage import Stage
from server.dialogue.wording import LINE, as_line, as_recalled
from server.dialogue.world import World
from server.memory.recall import Question, Recalled
from server.memory.records import StoredEvent
from server.personas.cards.persona import for_player
from server.prompt.context import Item, TurnContext
from server.prompt.pieces import as_line as on_one_line
from server.prompt.rules import RULES
from server.text.labels import labelled

MAX_MEMORIES = 12
MAX_TOLD = 512
"""Of so many of the newest events it is looked up whether they stand in the prompt, where some do not."""
MAX_REGARDED = 8
"""Of so many of those around it an NPC is told how it stands to them."""


@dataclass(frozen=True, slots=True)
class Briefing:
    """The context without history (that depends on the route), and the newest event in it.

    `bearing` is how the NPC stands, sentence by sentence; `mood` the word for how it feels. `unread` are events that it
    has not been told of, oldest first, and `passed_over` seqs of older ones, which are too many to be told.
    `in_company`: other NPCs are present.
    """

    context: TurnContext
    conversation: Conversation
    read_to: int
    bearing: dict[str, Sentence]
    mood: str
    recalled: tuple[Recalled, ...]
    book_lore: BookLore = field(default_factory=BookLore)
    unread: tuple[StoredEvent, ...] = ()
    passed_over: range = range(0)
    in_company: bool = False

    def context_for(self, *, hosted: bool) -> TurnContext:
        """The context with the history that a hosted or a local route gets."""
        return replace(self.context, history=self.conversation.history(hosted=hosted))

    def untold(self, written: Sequence[str]) -> list[range]:
        """Seqs of what the NPC had not read and does not read now either, where `written` is what fitted."""
        lines = frozenset(written)
        return [self.passed_over] + [
            range(one.seq, one.seq + 1) for one in self.unread if on_one_line(as_line(one)) not in lines
        ]


async def conversation_of(stage: Stage, world: World, npc: str) -> Conversation:
    """The NPC's conversation; one that was idle for too long begins anew."""
    now_s = stage.clock()
    conversation = world.conversations.get(npc)
    if conversation is None or now_s - conversation.last_active_s > stage.settings.dialogue.conversation_idle_s:
        look_back = PAST_TURNS if stage.library.has_books(npc) else CARRIED_TURNS + 1
        conversation = await Conversation.begin(stage.memory, world.name, npc, now_s, look_back=look_back)
        world.conversations[npc] = conversation
    return conversation


async def brief(
    stage: Stage,
    world: World,
    view: SceneView,
    player: str,
    assignment: Assignment,
    *,
    warm: bool = False,
    conversation: Conversation | None = None,
) -> Briefing:
    """Gather what the NPC witnessed since its last turn, what the line recalls, and what the scene became.

    `conversation` is another than the NPC is in, for a look ahead.
    """
    npc = assignment.npc
    conversation = conversation or await conversation_of(stage, world, npc)
    # All at once: one after the other they would wait each time for the thread that reads.
    others = [player, *(person.npc for person in view.present if person.npc != npc)][:MAX_REGARDED]
    events, recalled, standpoint = await asyncio.gather(
        stage.memory.events_for(world.name, npc, after=conversation.read_to, limit=MAX_UNREAD_EVENTS),
        _recalled(stage, world, view, conversation, assignment, warm=warm),
        stage.memory.derived.standpoint(world.name, npc, others),
    )
    before, after = _around(events, assignment, npc)
    called = view.player_name or player
    persona = for_player(world.persona(npc), called)
    lines = tuple(as_line(event) for event in before)
    books = BookLore()
    if not warm:
        books = from_books(stage, world.name, persona, called, conversation, assignment, lines)
    names = {player: called} | {person.npc: person.name for person in view.present}
    bearing = bearing_of(standpoint, names, persona.mood, npc, view.time, conversation.last_time)
    mod_lore = brought_up(stage.mods.lore, assignment.heard, persona, conversation.lore_ids, view.time)
    context = TurnContext(
        rules=RULES,
        persona=persona,
        player_name=called,
        facts=conversation.facts,
        scene=(*conversation.scene.changes(view, npc), *conversation.bearing.changes(bearing)),
        events=lines,
        others=tuple(as_line(event) for event in after),
        line=_line(assignment, called),
        memories=tuple(Item(str(one.event.seq), as_recalled(one, npc)) for one in recalled),
        lore=() if warm else (*books.items, *mod_lore),
        cue=assignment.instruction,
    )
    read_to = max([conversation.read_to, assignment.asked_seq or 0, *(event.seq for event in events)])
    mood = standpoint.feeling.at(view.time).label or persona.mood
    passed_over = range(conversation.read_to + 1, events[0].seq if len(events) == MAX_UNREAD_EVENTS else 0)
    unread, in_company = (*before, *after), any(person.npc != npc for person in view.present)
    return Briefing(context, conversation, read_to, bearing, mood, recalled, books, unread, passed_over, in_company)


async def _recalled(
    stage: Stage, world: World, view: SceneView, conversation: Conversation, assignment: Assignment, *, warm: bool
) -> tuple[Recalled, ...]:
    """What the line brings back; nothing where none is heard."""
    if warm or not assignment.heard or not (conversation.since or conversation.untold):
        return ()  # everything it knows stands in its prompt
    before, told = conversation.since + 1, frozenset[int]()
    if conversation.untold:
        since = await stage.memory.events_for(world.name, assignment.npc, after=conversation.since, limit=MAX_TOLD)
        before, told = conversation.read_to + 1, conversation.told_of(event.seq for event in since)
    question = Question(
        assignment.heard,
        MAX_MEMORIES,
        before=before,
        exclude=conversation.memory_ids | told,
        now_s=view.time,
        place=view.place,
        half_life_h=world.persona(assignment.npc).memory_half_life_h,
        weekdays=stage.settings.dialogue.weekdays,
    )
    return await stage.memory.recall(world.name, assignment.npc, question)


def _around(
    events: tuple[StoredEvent, ...], assignment: Assignment, npc: str
) -> tuple[list[StoredEvent], list[StoredEvent]]:
    """Events before what is answered, and after it: lines of NPCs that answered earlier. Its own lines it knows."""
    asked = assignment.asked_seq
    told = [event for event in events if not (event.kind == LINE and event.speaker == npc)]
    if asked is None:
        return told, []
    return [event for event in told if event.seq < asked], [event for event in told if event.seq > asked]


def _line(assignment: Assignment, player_name: str) -> str:
    if not assignment.heard:
        return ""
    name = f"{player_name} (whispering)" if assignment.how == "whispered" else player_name
    return labelled(name, assignment.heard)
