"""Messages that describe: scene and npc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.dialogue import timekeeping
from server.dialogue.reflection import reflect
from server.dialogue.requests import answered, key_of
from server.errors import ProtocolError
from server.prompt.build import core_tokens
from server.protocol import messages as m
from server.protocol.codes import Code

if TYPE_CHECKING:
    from server.dialogue.session import Session


async def scene(session: Session, message: m.Scene) -> m.ServerMessage:
    """What is around now. Conversations of those who left end."""
    if message.time is not None:
        message = message.model_copy(update={"time": await timekeeping.hear_time(session, message.time)})
    before = {person.npc for person in session.view.present}
    names = _introduce(session, message.present or ())
    session.view = session.view.updated(message, names)
    # What a crash or a load left undone for those who come is done before they speak.
    reflect(session.stage, session.world, set(session.present) - before)
    for npc in before - {person.npc for person in session.view.present}:
        if not any(other.view.person(npc) for other in session.world.sessions):
            session.world.conversations.pop(npc, None)
    return m.Ok()


async def npc(session: Session, message: m.Npc) -> m.ServerMessage:
    """An NPC is announced, or described."""
    if (done := await answered(session, message)) is not None:
        return done
    world = session.world
    if message.persona is None:
        if not world.knows(message.npc):
            _unknown(session, message.npc)
        return m.Ok()
    persona = world.patched_persona(message.npc, message.persona)
    limit = session.stage.limits(hosted=True).prompt_tokens // 2
    tokens = core_tokens(persona, session.stage.tokenizer())
    if tokens > limit:
        raise ProtocolError(
            Code.BAD_PERSONA,
            f"{message.npc}: rules and persona core take {tokens} tokens, half a prompt is {limit}",
            "shorten `core` or `voice`, or move matter to `knowledge`",
        )
    async with world.changing:
        await session.stage.memory.set_persona(world.name, message.npc, message.persona, key_of(session, message))
    world.adopt(message.npc, message.persona)
    return m.Ok()


def _introduce(session: Session, present: list[m.Present] | tuple[()]) -> dict[str, str]:
    """Names for everyone present; whoever has no persona gets a generic one, and the client is told once."""
    for entry in present:
        if session.world.knows(entry.npc):
            continue
        if not session.world.is_called(entry.npc):
            _unknown(session, entry.npc)
        if entry.name or not session.world.is_called(entry.npc):
            session.world.call(entry.npc, entry.name or entry.npc, session.hello.language)
    return {entry.npc: session.world.persona(entry.npc).name for entry in present}


def _unknown(session: Session, npc_id: str) -> None:
    session.put(
        m.Notice(
            code="unknown_npc",
            message=f"nobody wrote a persona for {npc_id}; it gets a generic one",
            hint=f"write personas/{npc_id}.yaml, or send `npc` with a persona",
        )
    )
