"""A client's own message ids: the same id again is answered again, not run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.memory.records import RequestKey
from server.protocol.messages import ClientMessage, Ok, TurnRef

if TYPE_CHECKING:
    from server.dialogue.session import Session


def key_of(session: Session, message: ClientMessage) -> RequestKey | None:
    """The message's place among everything this client and its earlier sessions sent; None without an id."""
    return None if message.id is None else RequestKey(session.record.lineage, message.id)


async def answered(session: Session, message: ClientMessage) -> Ok | None:
    """The answer that this id got before, if it did; it holds after a restart too."""
    key = key_of(session, message)
    if key is None or session.is_first_use(key.client_id):
        return None
    stored: dict[str, Any] | None = await session.stage.memory.answered(key)
    if stored is None:
        return None
    turns = stored.get("turns")
    return Ok(turns=None if turns is None else [TurnRef(**turn) for turn in turns], why=stored.get("why"))
