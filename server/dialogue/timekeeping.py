"""Messages that move the timeline, save and load; and game times that say a load was not told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.dialogue.reflection import reflect
from server.dialogue.requests import answered, key_of
from server.dialogue.scene import clock_words
from server.errors import ProtocolError, UnknownSave
from server.memory.records import SavePoint
from server.plugins.hooks import TimeJump
from server.protocol import messages as m
from server.protocol.codes import Code

if TYPE_CHECKING:
    from server.dialogue.session import Session


async def save(session: Session, message: m.Save) -> m.ServerMessage:
    """The memory as it is now gets this name; the same name again moves."""
    if (done := await answered(session, message)) is not None:
        return done
    point = _point(message.point)
    if (message.save is None) == (point is None) or (point is not None and not point.character):
        raise ProtocolError(
            Code.BAD_MESSAGE,
            "`save` needs the name of the save, or null and a `point` with `character`",
            "send either; a point is for games that have no names for their saves",
        )
    time = session.clock.time if point is None else point.time
    async with session.world.changing:
        await session.stage.memory.save(session.world.name, message.save or point or "", key_of(session, message), time)
    return m.Ok()


async def load(session: Session, message: m.Load) -> m.ServerMessage:
    """The world goes back to a save, or begins anew. Turns under way belong to the time that is left behind."""
    if (done := await answered(session, message)) is not None:
        return done
    if message.save is not None and message.point is not None:
        raise ProtocolError(Code.BAD_MESSAGE, "`load` has both `save` and `point`", "with a `point`, `save` is null")
    await _go_back(session, message.save if message.point is None else _point(message.point), message)
    return m.Ok()


async def hear_time(session: Session, stamp: float) -> float | None:
    """The game says what time it is. Returns the time to go by.

    A time that does not follow is held until a second one agrees; where time went back for good, a load is offered:
    to the mods, and where none of them decides, to the client.
    """
    reading = session.clock.read(stamp)
    world = session.world
    if reading.odd:
        message = f"{_when(stamp)} does not follow {_when(reading.time)}; waiting for a second time that agrees"
        session.put(m.Notice(code="odd_time", message=message, hint="send `load` when a game was loaded"))
        return reading.time
    world.time = reading.time
    if reading.back_from is None:
        return reading.time
    saves = await session.stage.memory.saves_near(world.name, stamp)
    jump = TimeJump(world.name, session.player, reading.back_from, stamp, tuple(saves))
    for rewind in session.stage.mods.on_time_jump(jump):
        try:
            await _go_back(session, SavePoint(stamp) if rewind.save is None else rewind.save)
        except UnknownSave:
            continue
        session.clock.restart(stamp)
        return stamp
    message = f"game time went back from {_when(reading.back_from)} to {_when(stamp)}: a game was loaded, it seems"
    session.put(
        m.Notice(
            code="time_jump",
            message=message,
            hint="send `load` with one of `saves`, or with a `point` that has this `time`; memory has not moved",
            saves=saves,
        )
    )
    return reading.time


async def _go_back(session: Session, save: str | SavePoint | None, message: m.Load | None = None) -> None:
    """Move the timeline.

    Raises:
        UnknownSave: the save was never marked; nothing is changed.
    """
    world, memory = session.world, session.stage.memory
    async with world.changing:
        # An unknown save raises here, before any turn is touched. Turns commit to the branch they were opened in, so
        # what is still being said goes to the time that is left behind, although the head has moved already.
        await memory.load(world.name, save, key_of(session, message) if message is not None else None)
        for other in list(world.sessions):
            await other.turns_ended("superseded")
        time = await memory.game_time(world.name)
        world.begin_again(await memory.personas(world.name), time)
        for other in world.sessions:
            other.go_back_to(time)
        reflect(session.stage, world, {npc for other in world.sessions for npc in other.present})
    for other in world.sessions - {session}:
        other.put(m.Notice(code="timeline", message=f"{_what(save)}: what came after it has not happened"))


def _what(save: str | SavePoint | None) -> str:
    if save is None:
        return "a new game began"
    if isinstance(save, SavePoint) and not save.character:
        return f"the game went back to {_when(save.time)}"
    return f"the save {(save if isinstance(save, str) else save.name)!r} was loaded"


def _point(point: m.Point | None) -> SavePoint | None:
    return None if point is None else SavePoint(point.time, point.character or "", point.count)


def _when(time: float | None) -> str:
    return "no time" if time is None else clock_words(time)
