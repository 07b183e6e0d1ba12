"""Messages that move the timeline: save and load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.dialogue.requests import answered, key_of
from server.protocol import messages as m

if TYPE_CHECKING:
    from server.dialogue.session import Session


async def save(session: Session, message: m.Save) -> m.ServerMessage:
    """The memory as it is now gets this name; the same name again moves."""
    if (done := await answered(session, message)) is not None:
        return done
    async with session.world.changing:
        await session.stage.memory.save(session.world.name, message.save, key_of(session, message))
    return m.Ok()


async def load(session: Session, message: m.Load) -> m.ServerMessage:
    """The world goes back to a save, or begins anew. Turns under way belong to the time that is left behind."""
    if (done := await answered(session, message)) is not None:
        return done
    world = session.world
    async with world.changing:
        # An unknown save raises here, before any turn is touched. Turns commit to the branch they were opened in, so
        # what is still being said goes to the time that is left behind, although the head has moved already.
        await session.stage.memory.load(world.name, message.save, key_of(session, message))
        for other in list(world.sessions):
            await other.turns_ended("superseded")
        world.begin_again(await session.stage.memory.personas(world.name))
    what = "a new game began" if message.save is None else f"the save {message.save!r} was loaded"
    for other in world.sessions - {session}:
        other.put(m.Notice(code="timeline", message=f"{what}: what came after it has not happened"))
    return m.Ok()
