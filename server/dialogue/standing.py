"""Messages that ask: recall and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.dialogue.speaking import check_known
from server.dialogue.wording import as_recalled, source_of
from server.memory.feelings import Regard
from server.memory.recall import Question
from server.protocol import messages as m

if TYPE_CHECKING:
    from server.dialogue.session import Session

DIARY_ENTRIES = 3


async def recall(session: Session, message: m.Recall) -> m.ServerMessage:
    """What the NPC would remember."""
    check_known(session, (message.npc,))
    stage, world = session.stage, session.world
    question = Question(
        message.query,
        message.k,
        now_s=session.view.time,
        place=session.view.place,
        half_life_h=world.persona(message.npc).memory_half_life_h,
        weekdays=stage.settings.dialogue.weekdays,
    )
    found = await stage.memory.recall(world.name, message.npc, question)
    return m.Memories(
        npc=message.npc,
        memories=[
            m.Memory(
                text=as_recalled(one, message.npc),
                kind=one.event.kind,
                time=one.event.time,
                importance=one.event.importance,
                source=source_of(one.event, message.npc),
            )
            for one in found
        ],
    )


async def state(session: Session, message: m.State) -> m.ServerMessage:
    """How the NPC stands: what memory holds, over what its persona says."""
    check_known(session, (message.npc,))
    derived, world, persona = session.stage.memory.derived, session.world.name, session.world.persona(message.npc)
    now_s = session.view.time
    felt = (await derived.standpoint(world, message.npc, ())).feeling.at(now_s)
    relations = {npc: m.Relation(to=npc, note=note) for npc, note in persona.relations.items()}
    for regard in await derived.regards(world, message.npc):
        relations[regard.other] = _relation(regard.at(now_s), persona.relations.get(regard.other, ""))
    return m.StateReport(
        npc=message.npc,
        mood=m.Mood(label=felt.label or persona.mood, valence=felt.valence, arousal=felt.arousal),
        relations=list(relations.values()),
        summary=(await derived.summary(world, message.npc)).text,
        diary=[entry.text for entry in await derived.diary(world, message.npc, DIARY_ENTRIES)],
    )


def _relation(regard: Regard, note: str) -> m.Relation:
    return m.Relation(
        to=regard.other,
        note=note,
        trust=regard.trust,
        warmth=regard.warmth,
        respect=regard.respect,
        fear=regard.fear,
        calls=regard.calls,
        called=regard.called,
    )
