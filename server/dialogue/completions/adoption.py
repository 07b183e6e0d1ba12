"""What a client says was said when nobody here listened: it becomes part of what the NPC lived through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.dialogue.completions.transcript import MOST_SAID
from server.dialogue.completions.wanted import ChatMessage
from server.dialogue.session import Session
from server.dialogue.speaking import IMPORTANCE_OF_SPEECH
from server.dialogue.stage import Stage
from server.dialogue.wording import LINE, SAY
from server.memory.records import NewEvent, TurnRecord
from server.prompt.rules import OWN_ACCORD
from server.protocol import messages as m
from server.text.labels import labelled


def exchanges(messages: Sequence[ChatMessage]) -> Iterator[tuple[ChatMessage, ...]]:
    """The messages in pieces: what was said to the NPC up to an answer of it, `MOST_SAID` or less at a time."""
    piece: list[ChatMessage] = []
    for message in messages:
        piece.append(message)
        if message.role == "assistant" or len(piece) == MOST_SAID:
            yield tuple(piece)
            piece = []
    if piece:
        yield tuple(piece)


class Adoption:
    """Writes exchanges as the NPC's own turns. The world's `changing` is held while they are written."""

    def __init__(self, stage: Stage, session: Session, npc: str) -> None:
        self._stage = stage
        self._session = session
        self._npc = npc

    async def take(self, exchange: Sequence[ChatMessage]) -> None:
        """One exchange; without an answer in it, it is only heard."""
        memory, world = self._stage.memory, self._session.world
        answer = exchange[-1] if exchange[-1].role == "assistant" else None
        heard = exchange[:-1] if answer is not None else exchange
        asked = heard[-1] if answer is not None and heard else None
        before = heard[:-1] if asked is not None else heard
        if before:
            await memory.record_many(world.name, [self._event(message) for message in before])
        if answer is None:
            return
        event = self._event(asked) if asked is not None else None
        recorded = await memory.record(world.name, self._session.id, event, (self._npc,), None)
        ((turn, _),) = recorded.turns
        await memory.commit_turn(self._turn(turn, heard, answer, recorded.seq or 0), self._event(answer, turn))
        world.conversations.pop(self._npc, None)  # it begins anew, with these turns in it

    def _turn(self, turn: str, heard: Sequence[ChatMessage], answer: ChatMessage, read_to: int) -> TurnRecord:
        player, text = self._session.player, _cut(answer)
        return TurnRecord(
            turn=turn,
            npc=self._npc,
            player=player,
            reason="done",
            text=text,
            heard=text,
            written=tuple(labelled(player, _cut(each)) for each in heard) or (f"[{OWN_ACCORD}]",),
            fingerprint="",
            token_ids=(),
            memory_ids=(),
            lore_ids=(),
            read_to=read_to,
            trace={},
        )

    def _event(self, message: ChatMessage, turn: str | None = None) -> NewEvent:
        session = self._session
        is_own, is_said = message.role == "assistant", message.role == "user"
        name = session.world.persona(self._npc).name if is_own else session.player if is_said else ""
        return NewEvent(
            kind=LINE if is_own else SAY if is_said else "result",
            text=_cut(message),
            speaker=self._npc if is_own else session.player if is_said else "",
            speaker_name=name,
            player=session.player,
            wall_s=self._stage.wall(),
            witnesses=(self._npc,),
            scene=session.view.scene,
            place=session.view.place,
            time=session.view.time,
            importance=IMPORTANCE_OF_SPEECH,
            turn=turn,
        )


def _cut(message: ChatMessage) -> str:
    return message.text.strip()[: m.MAX_SAY_CHARACTERS]
