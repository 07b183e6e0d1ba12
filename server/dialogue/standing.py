"""Messages that ask: recall and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.dialogue.speaking import check_known
from server.dialogue.wording import as_memory, source_of
from server.protocol import messages as m

if TYPE_CHECKING:
    from server.dialogue.session import Session


async def recall(session: Session, message: m.Recall) -> m.ServerMessage:
    """What the NPC would remember."""
    check_known(session, (message.npc,))
    events = await session.stage.memory.recall(session.world.name, message.npc, message.query, message.k)
    return m.Memories(
        npc=message.npc,
        memories=[
            m.Memory(
                text=as_memory(event, message.npc),
                kind=event.kind,
                time=event.time,
                importance=event.importance,
                source=source_of(event, message.npc),
            )
            for event in events
        ],
    )


async def state(session: Session, message: m.State) -> m.ServerMessage:
    """How the NPC stands: what memory holds, over what its persona says."""
    check_known(session, (message.npc,))
    memory, world, persona = session.stage.memory, session.world.name, session.world.persona(message.npc)
    mood = await memory.mood(world, message.npc)
    relations = {npc: m.Relation(to=npc, note=note) for npc, note in persona.relations.items()}
    for standing in await memory.standing(world, message.npc):
        relations[standing.other] = m.Relation(
            to=standing.other,
            note=standing.note,
            trust=standing.trust,
            warmth=standing.warmth,
            respect=standing.respect,
            fear=standing.fear,
        )
    return m.StateReport(
        npc=message.npc,
        mood=m.Mood(label=persona.mood) if mood is None else m.Mood(label=mood[0], valence=mood[1], arousal=mood[2]),
        relations=list(relations.values()),
        summary=await memory.summary(world, message.npc),
    )
