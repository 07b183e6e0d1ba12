"""What a turn leaves behind: its record for memory, its `turn.end` for the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from server.backends.base import Usage
from server.dialogue.assignment import Assignment
from server.dialogue.playback import Playback
from server.dialogue.prompting import NO_PROMPT, Prompting
from server.dialogue.scene import SceneView
from server.dialogue.speech import Speech
from server.dialogue.wording import LINE
from server.memory.records import NewEvent, TurnReason, TurnRecord
from server.prompt.context import BuiltPrompt
from server.protocol.messages import Attempt, BlockReport, RouteReport, Timing, TokenReport, TurnEnd

if TYPE_CHECKING:
    from server.routing.router import Answer

IMPORTANCE_OF_SPEECH = 0.3


class Stopwatch:
    """Where the milliseconds of a turn went. Every mark counts from the message's receipt."""

    def __init__(self, clock: Callable[[], float], received_s: float) -> None:
        self._clock = clock
        self._received_s = received_s
        self._marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """This point is reached now; only the first time counts."""
        self._marks.setdefault(name, round((self._clock() - self._received_s) * 1_000, 3))

    def timing(self, prompt_ms: float | None) -> Timing:
        """Queue: until the turn left it; recall: from there until memory had answered; the rest from receipt."""
        queue, recall = self._marks.get("queue"), self._marks.get("recall")
        return Timing(
            queue=queue,
            recall=None if queue is None or recall is None else round(recall - queue, 3),
            prompt=None if prompt_ms is None else round(prompt_ms, 3),
            first_token=self._marks.get("first_token"),
            first_line=self._marks.get("first_line"),
            total=self._marks.get("total"),
        )


def turn_record(
    assignment: Assignment,
    reason: TurnReason,
    player: str,
    playback: Playback,
    speech: Speech | None,
    prompting: Prompting | None,
    answer: Answer | None,
) -> TurnRecord:
    """What memory keeps. Token ids are kept only where what was heard is exactly what was generated."""
    heard = playback.heard
    route = answer.route.name if answer is not None and answer.route is not None else None
    built = prompting.used(route) if prompting is not None else NO_PROMPT
    finish = answer.finish if answer is not None else None
    exact = prompting is not None and speech is not None and finish is not None and heard == speech.raw
    return TurnRecord(
        turn=assignment.turn,
        npc=assignment.npc,
        player=player,
        reason=reason,
        text=speech.text.strip() if speech is not None else "",
        heard=heard,
        written=built.written,
        fingerprint=finish.fingerprint if exact and finish is not None else "",
        token_ids=prompting.token_ids if exact and prompting is not None else (),
        memory_ids=_kept_memories(prompting, built.kept_keys),
        lore_ids=_kept_lore(prompting, built.kept_keys),
        read_to=prompting.briefing.read_to if prompting is not None and built.written else 0,
        trace={},
    )


def turn_end(
    record: TurnRecord,
    assignment: Assignment,
    prompting: Prompting | None,
    answer: Answer | None,
    watch: Stopwatch,
    cost_usd: float | None = None,
) -> TurnEnd:
    """The message that closes a turn; `cost_usd` is that of all its calls together."""
    route = answer.route if answer is not None else None
    built = prompting.used(route.name if route else None) if prompting is not None else NO_PROMPT
    usage = answer.finish.usage if answer is not None and answer.finish is not None else None
    attempts = answer.attempts if answer is not None else ()
    return TurnEnd(
        turn=record.turn,
        npc=record.npc,
        re=assignment.re,
        reason=record.reason,
        text=record.text,
        heard=record.heard,
        route=RouteReport(
            name=route.name if route else None,
            model=answer.finish.model if answer is not None and answer.finish is not None else None,
            attempts=[Attempt(route=one.route, outcome=one.outcome, ms=round(one.ms)) for one in attempts],
        ),
        tokens=_tokens(record, prompting, built, usage),
        blocks=[BlockReport.model_validate(asdict(block)) for block in built.blocks],
        ms=watch.timing(prompting.built_ms if prompting is not None else None),
        cost_usd=cost_usd,
        degraded=record.reason == "failed" or (answer is not None and answer.degraded),
    )


def bare_end(assignment: Assignment) -> TurnEnd:
    """The end of a turn of which nothing else can be told."""
    return TurnEnd(
        turn=assignment.turn,
        npc=assignment.npc,
        re=assignment.re,
        reason="failed",
        text="",
        heard="",
        route=RouteReport(),
        tokens=TokenReport(),
        blocks=[],
        ms=Timing(),
        degraded=True,
    )


def _tokens(record: TurnRecord, prompting: Prompting | None, built: BuiltPrompt, usage: Usage | None) -> TokenReport:
    """What the backend counted; what it does not tell, as we count it."""
    if prompting is None:
        return TokenReport()
    counted = usage or Usage()
    return TokenReport(
        prompt=counted.prompt or built.tokens,
        cached=counted.cached,
        evaluated=counted.evaluated,
        reply=counted.reply or prompting.count(record.text),
    )


def heard_event(
    assignment: Assignment, view: SceneView, player: str, wall_s: float, npc_name: str, heard: str
) -> NewEvent | None:
    """The NPC's line as an event; it inherits the witnesses of what it answers. None where nothing was heard."""
    if not heard:
        return None
    return NewEvent(
        kind=LINE,
        text=heard,
        speaker=assignment.npc,
        speaker_name=npc_name,
        player=player,
        wall_s=wall_s,
        witnesses=tuple(dict.fromkeys((assignment.npc, *assignment.witnesses))),
        how=assignment.how,
        scene=view.scene,
        place=view.place,
        time=view.time,
        importance=IMPORTANCE_OF_SPEECH,
        turn=assignment.turn,
    )


def _kept_memories(prompting: Prompting | None, kept: frozenset[str]) -> tuple[int, ...]:
    items = prompting.briefing.context.memories if prompting is not None else ()
    return tuple(int(item.key) for item in items if item.key in kept)


def _kept_lore(prompting: Prompting | None, kept: frozenset[str]) -> tuple[str, ...]:
    items = prompting.briefing.context.lore if prompting is not None else ()
    return tuple(item.key for item in items if item.key in kept)
