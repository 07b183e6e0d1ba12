"""Messages that make something happen: say, cue, event, result, warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from server.dialogue import floor, perception
from server.dialogue.assignment import Assignment
from server.dialogue.reflection import reflect
from server.dialogue.requests import answered, key_of
from server.dialogue.scene import SceneView
from server.dialogue.scheduler import AMBIENT, PLAYER, SCRIPTED
from server.dialogue.warming import warm as warm_up
from server.dialogue.wording import SAY
from server.errors import BarkeepError, ProtocolError
from server.memory.records import NewEvent, Recorded, Witnessing
from server.plugins.hooks import Happening
from server.protocol import messages as m
from server.protocol.codes import Code
from server.text.claims import is_claim
from server.yamlfile import nearest

if TYPE_CHECKING:
    from server.dialogue.session import Session
    from server.dialogue.turn import Turn

MAX_OPEN_TURNS = 32
MAX_SPEAKERS = 8
PROGRESS_STEP = 0.1
IMPORTANCE_OF_SPEECH = 0.3
IMPORTANCE_OF_EVENT = 0.4


async def say(session: Session, message: m.Say) -> m.ServerMessage:
    """The player speaks: commit it, then let those who have the floor answer one after another."""
    received_s = session.stage.clock()
    if (done := await answered(session, message)) is not None:
        return done
    _check_length(session, message.text)
    to = _addressed(session, message)
    decision = floor.decide(_audience(session.view, message), message.text, to, session.last_speaker)
    speakers = decision.speakers[:MAX_SPEAKERS]
    witnesses, how = _witnesses(session, message, speakers)
    await session.turns_ended("superseded")
    event = _event(session, SAY, message.text, witnesses, how, IMPORTANCE_OF_SPEECH)
    event = replace(event, claim=is_claim(message.text, event.speaker_name))
    async with session.world.changing:
        recorded = await session.stage.memory.record(
            session.world.name, session.id, event, speakers, key_of(session, message), decision.why or None
        )
    if recorded.repeated:
        return m.Ok(turns=_refs(recorded), why=recorded.why)
    if not recorded.turns:
        reflect(session.stage, session.world, witnesses)
    after: Turn | None = None
    for turn, npc in recorded.turns:
        after = session.begin(
            Assignment(
                turn=turn,
                npc=npc,
                re=message.id,
                to=session.player,
                priority=PLAYER,
                received_s=received_s,
                witnesses=witnesses,
                how=how,
                asked_seq=recorded.seq,
                heard=message.text,
                deadline_ms=message.deadline_ms,
            ),
            after,
        )
    # No await between `begin` and the answer: `ok` precedes every `turn.start`.
    return m.Ok(turns=_refs(recorded), why=decision.why or None)


async def cue(session: Session, message: m.Cue) -> m.ServerMessage:
    """An NPC speaks of its own accord."""
    if (done := await answered(session, message)) is not None:
        return done
    check_known(session, (message.npc,))
    priority = AMBIENT if message.ambient else SCRIPTED
    witnesses = perception.hearers_of(session.view, message.npc)
    turns = await _cue(session, message.npc, message.instruction, witnesses, priority, message)
    return m.Ok(turns=turns)


async def event(session: Session, message: m.Event) -> m.ServerMessage:
    """Something happened: commit it, then let mods decide who speaks up."""
    if (done := await answered(session, message)) is not None:
        return done
    each = _noticed(session, message)
    witnesses = tuple(each)
    importance = IMPORTANCE_OF_EVENT if message.importance is None else message.importance
    new = replace(_event(session, message.kind, message.text, witnesses, "present", importance), each=each)
    if message.told_by is not None:
        new = replace(new, speaker=message.told_by, speaker_name=session.world.persona(message.told_by).name)
    async with session.world.changing:
        recorded = await session.stage.memory.record(session.world.name, session.id, new, (), key_of(session, message))
    if recorded.repeated:
        return m.Ok()
    reflect(session.stage, session.world, witnesses)
    happening = Happening(
        world=session.world.name,
        kind=message.kind,
        text=message.text,
        speaker=new.speaker,
        place=session.view.place,
        witnesses=witnesses,
    )
    turns: list[m.TurnRef] = []
    for reaction in session.stage.mods.on_event(happening):
        if reaction.npc in witnesses and len(session.open_turns) < MAX_OPEN_TURNS:
            turns += await _cue(session, reaction.npc, reaction.instruction, witnesses, SCRIPTED)
    return m.Ok(turns=turns or None)


async def result(session: Session, message: m.Result) -> m.ServerMessage:
    """How an action went: the NPC that did it learns of it."""
    if (done := await answered(session, message)) is not None:
        return done
    turn = session.turn(message.turn)
    if message.action >= len(turn.performed):
        raise ProtocolError(
            Code.UNKNOWN_ACTION,
            f"turn {message.turn} has no action {message.action}",
            "send back the number that stood in the `action` message",
        )
    name = turn.performed[message.action].name.replace("_", " ")
    outcome = message.text or ("done" if message.ok else "it did not work")
    npc = turn.assignment.npc
    new = _event(session, "result", f"{name}: {outcome}", (npc,), "named", IMPORTANCE_OF_EVENT)
    async with session.world.changing:
        await session.stage.memory.record(session.world.name, session.id, new, (), key_of(session, message))
    return m.Ok()


async def warm(session: Session, message: m.Warm) -> m.ServerMessage:
    """Read what the NPC will need, in the background; the newest `warm` of a session replaces the one before."""
    check_known(session, (message.npc,))
    told = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told
        if done < total and done / total - told >= PROGRESS_STEP:
            told = done / total
            text = f"{message.npc}: {done} of {total} tokens read"
            session.put(m.Notice(code="warming", message=text, re=message.id))

    async def work() -> None:
        try:
            stage, world, view, player = session.stage, session.world, session.view, session.player
            # A player waits for this: it is read in large steps, and still gives way to anybody's turn.
            begun, priority = message.text, SCRIPTED
            await warm_up(stage, world, view, player, message.npc, progress, begun=begun, priority=priority)
        except BarkeepError as error:
            session.put(m.Notice(code="not_warm", message=error.message, hint=error.hint, re=message.id))
        else:
            session.put(m.Notice(code="warm", message=f"{message.npc} is ready", re=message.id))

    session.stage.jobs.start(f"warm:{session.id}", work)
    return m.Ok()


def check_known(session: Session, npcs: Sequence[str]) -> None:
    """Refuse ids that neither a persona nor the scene knows.

    Raises:
        ProtocolError: `unknown_npc`, with the nearest id that is known.
    """
    for npc in npcs:
        if session.world.knows(npc) or session.view.person(npc) is not None:
            continue
        close = nearest(npc, session.world.npcs())
        hint = f"did you mean {close}?" if close else "send it in `present` or with `npc` first, or write a persona"
        raise ProtocolError(Code.UNKNOWN_NPC, f"nobody here is called {npc}", hint)


async def _cue(
    session: Session,
    npc: str,
    instruction: str,
    witnesses: tuple[str, ...],
    priority: int,
    message: m.Cue | None = None,
) -> list[m.TurnRef]:
    if len(session.open_turns) >= MAX_OPEN_TURNS:
        raise ProtocolError(
            Code.TOO_MANY, f"{MAX_OPEN_TURNS} turns are waiting in this session", "wait for turn.end", retryable=True
        )
    received_s = session.stage.clock()
    key = key_of(session, message) if message is not None else None
    async with session.world.changing:
        recorded = await session.stage.memory.record(session.world.name, session.id, None, (npc,), key)
    for turn, speaker in () if recorded.repeated else recorded.turns:
        session.begin(
            Assignment(
                turn=turn,
                npc=speaker,
                re=message.id if message is not None else None,
                to=message.to if message is not None else None,
                priority=priority,
                received_s=received_s,
                witnesses=witnesses,
                instruction=instruction,
            )
        )
    return _refs(recorded)


def _refs(recorded: Recorded) -> list[m.TurnRef]:
    return [m.TurnRef(turn=turn, npc=npc) for turn, npc in recorded.turns]


def _check_length(session: Session, text: str) -> None:
    hint = f"at most {m.MAX_SAY_CHARACTERS} characters and {m.MAX_SAY_TOKENS} tokens a line; say it in pieces"
    if len(text) > m.MAX_SAY_CHARACTERS:
        raise ProtocolError(Code.TOO_LONG, f"{len(text)} characters are too many", hint)
    tokens = session.stage.tokenizer().count(text)
    if tokens > m.MAX_SAY_TOKENS:
        raise ProtocolError(Code.TOO_LONG, f"{tokens} tokens are too many", hint)


def _addressed(session: Session, message: m.Say) -> tuple[str, ...]:
    to = (message.to,) if isinstance(message.to, str) else tuple(dict.fromkeys(message.to or ()))
    if message.whisper and not to:
        raise ProtocolError(Code.BAD_MESSAGE, "whisper needs `to`", "say to whom it is whispered")
    check_known(session, to)
    return to


def _witnesses(session: Session, message: m.Say, addressed: Sequence[str]) -> tuple[tuple[str, ...], Witnessing]:
    if message.whisper:
        return tuple(dict.fromkeys(addressed)), "whispered"
    if message.witnesses is not None:
        return tuple(dict.fromkeys((*addressed, *message.witnesses))), "named"
    return tuple(dict.fromkeys((*addressed, *perception.hearers(session.view)))), "present"


def _audience(view: SceneView, message: m.Say) -> SceneView:
    """The scene with those alone who can have heard it: who did not may not answer either."""
    if message.witnesses is None or message.to is not None:
        return view
    return replace(view, present=tuple(person for person in view.present if person.npc in message.witnesses))


def _noticed(session: Session, message: m.Event) -> Mapping[str, Witnessing]:
    """Who comes to know of an event, and how."""
    if message.told_by is not None:
        check_known(session, (message.told_by,))
        listeners = perception.hearers_of(session.view, message.told_by)
        told = listeners if message.witnesses is None else message.witnesses
        return {npc: "told" for npc in told if npc != message.told_by}
    if message.witnesses is not None:
        return dict.fromkeys(message.witnesses, "named")
    return perception.witnesses_of(session.view, message.sense)


def _event(
    session: Session, kind: str, text: str, witnesses: tuple[str, ...], how: Witnessing, importance: float
) -> NewEvent:
    view = session.view
    return NewEvent(
        kind=kind,
        text=text,
        speaker=session.player if kind == SAY else "",
        speaker_name=(view.player_name or session.player) if kind == SAY else "",
        player=session.player,
        wall_s=session.stage.wall(),
        witnesses=witnesses,
        how=how,
        scene=view.scene,
        place=view.place,
        time=view.time,
        importance=importance,
    )
