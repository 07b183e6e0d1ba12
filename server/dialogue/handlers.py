"""What each client message does: a table of one function a message. Each returns its answer, or None for none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from server.dialogue import scenery, speaking, standing, timekeeping
from server.errors import ProtocolError
from server.protocol import messages as m
from server.protocol.codes import Code

if TYPE_CHECKING:
    from server.dialogue.session import Session

Handler = Callable[["Session", Any], Awaitable[m.ServerMessage | None]]

_WRITE_NOTHING = (m.Scene, m.Warm, m.Stop)
"""They change what the session is at, not what happened: their ids are kept with the session, and all answer `ok`."""


async def answer_to(session: Session, message: m.ClientMessage) -> m.ServerMessage | None:
    """Do `message` and return its answer.

    Raises:
        BarkeepError: it cannot be done; nothing was.
    """
    if not isinstance(message, _WRITE_NOTHING) or message.id is None:
        return await _HANDLERS[type(message)](session, message)
    if message.id not in session.done_ids:
        await _HANDLERS[type(message)](session, message)
        session.done_ids.append(message.id)
    return m.Ok()


async def _hello(session: Session, message: m.Hello) -> m.ServerMessage | None:
    raise ProtocolError(Code.HELLO_TWICE, "this session has said hello already", "open a second connection instead")


async def _ping(session: Session, message: m.Ping) -> m.ServerMessage:
    return m.Pong()


async def _stop(session: Session, message: m.Stop) -> m.ServerMessage:
    if message.turn is None:
        await session.turns_ended("stopped")
        return m.Ok()
    turn = session.turn(message.turn)
    turn.end("stopped")
    await turn.ended.wait()
    return m.Ok()


async def _played(session: Session, message: m.Played) -> None:
    session.turn(message.turn).playback.played(message.line, message.fraction)


_HANDLERS: dict[type[Any], Handler] = {
    m.Hello: _hello,
    m.Scene: scenery.scene,
    m.Npc: scenery.npc,
    m.Event: speaking.event,
    m.Say: speaking.say,
    m.Cue: speaking.cue,
    m.Warm: speaking.warm,
    m.Stop: _stop,
    m.Played: _played,
    m.Result: speaking.result,
    m.Save: timekeeping.save,
    m.Load: timekeeping.load,
    m.Recall: standing.recall,
    m.State: standing.state,
    m.Ping: _ping,
}
