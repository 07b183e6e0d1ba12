"""One turn of one NPC, from the queue to its `turn.end`.

    queued → recalling → waiting → speaking → draining → done
       └────────┴───────────┴─────────┴──────────┴─────→ stopped | superseded | failed

Every way out commits what was heard and sends exactly one `turn.end`.
"""

from __future__ import annotations

import asyncio
import functools
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from server.dialogue.actions import Performed, perform
from server.dialogue.assignment import Assignment
from server.dialogue.briefing import brief
from server.dialogue.deflection import deflection
from server.dialogue.playback import Playback
from server.dialogue.prompting import Prompting
from server.dialogue.reflection import reflect
from server.dialogue.report import Stopwatch, bare_end, heard_event, turn_end, turn_record
from server.dialogue.scene import SceneView
from server.dialogue.speech import Speech
from server.dialogue.stage import Stage
from server.dialogue.trace import trace_of
from server.dialogue.upkeep import Upkeep
from server.dialogue.warming import warm
from server.dialogue.world import World
from server.errors import BarkeepError, StoreError
from server.memory.records import TurnRecord
from server.personas.persona import Persona
from server.plugins.hooks import Heard
from server.protocol.messages import Line, Notice, ServerMessage, Token, TurnEnd, TurnStart
from server.routing.limits import TurnLimits
from server.text.filters import ReplyFilter
from server.text.sentences import speech_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.routing.attempt import Attempt
    from server.routing.router import Answer

log = structlog.get_logger(__name__)

Reason = Literal["done", "stopped", "superseded", "failed"]


class State(Enum):
    """Where a turn stands. The last four are ends."""

    QUEUED = "queued"
    RECALLING = "recalling"
    WAITING = "waiting"
    SPEAKING = "speaking"
    DRAINING = "draining"
    DONE = "done"
    STOPPED = "stopped"
    SUPERSEDED = "superseded"
    FAILED = "failed"


ENDS = frozenset({State.DONE, State.STOPPED, State.SUPERSEDED, State.FAILED})


class Speaker(Protocol):
    """What a turn needs of its session."""

    @property
    def player(self) -> str:
        """The player's id."""

    @property
    def view(self) -> SceneView:
        """The scene as it is now."""

    @property
    def wants_tokens(self) -> bool:
        """True where the client asked for `stream: tokens`."""

    @property
    def reports_played(self) -> bool:
        """True where the client reports playback."""

    def put(self, message: ServerMessage, on_taken: Callable[[], None] | None = None) -> None:
        """Send a message to the client."""

    def note_routes(self, attempts: Sequence[Attempt]) -> None:
        """Tell the client about routes that failed, once each."""


class Turn:
    """Runs one assignment. `generated` is set once nothing more will be said, `ended` after `turn.end`."""

    def __init__(
        self, stage: Stage, world: World, session: Speaker, assignment: Assignment, after: Turn | None = None
    ) -> None:
        self.assignment = assignment
        self.state = State.QUEUED
        self.playback = Playback(reported=session.reports_played)
        self.performed: list[Performed] = []
        self.generated = asyncio.Event()
        self.ended = asyncio.Event()
        self._stage = stage
        self._world = world
        self._session = session
        self._after = after
        self._asked: Reason | None = None
        self._work: asyncio.Task[Reason] | None = None
        self._prompting: Prompting | None = None
        self._speech: Speech | None = None
        self._answer: Answer | None = None
        self._view = session.view
        self._lines = 0
        self._watch = Stopwatch(stage.clock, assignment.received_s)

    def end(self, reason: Literal["stopped", "superseded"]) -> None:
        """Ask for the end; the turn's own task does the rest. The first reason stays."""
        if self._asked is None:
            self._asked = reason
            if self._work is not None:
                self._work.cancel()

    async def run(self) -> None:
        """Take the turn through all its states. Never raises."""
        try:
            async with AsyncExitStack() as voice:
                reason = await self._until_over(voice)
                self.generated.set()
                if self._speech is not None:
                    self._speech.cancel()
                await self._finish(reason)
        except Exception:  # the turn's border: whatever its end meets, somebody waits for it
            log.exception("turn_end_failed", turn=self.assignment.turn, npc=self.assignment.npc)
            if self.state not in ENDS:
                self.state = State.FAILED
                self._session.put(bare_end(self.assignment))
        finally:
            self.ended.set()
        # An ended turn is kept for late reports on its lines and actions; its prompt would be most of its weight.
        self._work = self._prompting = self._speech = self._answer = None

    async def _until_over(self, voice: AsyncExitStack) -> Reason:
        if (asked := self._asked) is not None:
            return asked
        self._work = asyncio.create_task(self._work_on(voice), name=f"turn:{self.assignment.turn}:work")
        try:
            reason = await self._work
        except asyncio.CancelledError:
            return self._asked or "stopped"
        except Exception:  # the turn's border: it ends as failed, everything else goes on
            log.exception("turn_failed", turn=self.assignment.turn, npc=self.assignment.npc)
            reason = "failed"
        return self._asked or reason

    async def _work_on(self, voice: AsyncExitStack) -> Reason:
        """Speak, and if that fails say something else; then wait until it was heard."""
        reason: Reason = "done"
        try:
            await self._speak(voice)
        except BarkeepError as error:
            reason, re = "failed", self.assignment.re
            self._session.put(Notice(code="no_answer", message=error.message, hint=error.hint, re=re))
        except Exception:  # the turn's border: it ends as failed, everything else goes on
            log.exception("turn_failed", turn=self.assignment.turn, npc=self.assignment.npc)
            reason = "failed"
        if reason == "failed" and self.state is not State.QUEUED:
            self._deflect()
        self.state = State.DRAINING
        self.generated.set()
        await self.playback.drained()
        return reason

    async def _speak(self, voice: AsyncExitStack) -> None:
        if self._after is not None:
            await self._read_ahead(self._after)
        await voice.enter_async_context(
            self._stage.scheduler.slot(self._world.name, self.assignment.npc, self.assignment.priority)
        )
        self._session.put(
            TurnStart(turn=self.assignment.turn, npc=self.assignment.npc, to=self.assignment.to, re=self.assignment.re)
        )
        self._watch.mark("queue")
        self.state = State.RECALLING
        self._view = self._session.view
        briefing = await brief(self._stage, self._world, self._view, self._session.player, self.assignment)
        self._watch.mark("recall")
        self.state = State.WAITING
        self._perform()
        self._prompting = Prompting(self._stage, self._world.name, self.assignment, briefing)
        others = [person.name for person in self._view.present if person.npc != self.assignment.npc]
        self._speech = self._new_speech(briefing.context.persona, (briefing.context.player_name, *others))
        await self._generate(self._prompting, self._speech)

    def _deflect(self) -> None:
        """Nobody answered: whatever the reason, the NPC says something, and nothing of the reason."""
        if self._speech is not None:
            self._speech.close()
        if self._lines:
            return
        recent: tuple[str, ...] = ()
        if self._prompting is None:
            persona = self._world.persona(self.assignment.npc)
        else:
            persona = self._prompting.briefing.context.persona
            recent = tuple(self._prompting.briefing.conversation.recent)
            self._prompting.spoke_without()
        self._speech = self._new_speech(persona, ())
        self._speech.feed(deflection(persona, recent, self._stage.rng))
        self._speech.close()

    async def _read_ahead(self, former: Turn) -> None:
        """Wait until the former speaker has ended; while it is only heard, read what is known of this turn's prompt."""
        await former.generated.wait()
        job = f"ahead:{self.assignment.turn}"
        self._stage.jobs.start(job, self._warm)
        try:
            await former.ended.wait()
        finally:
            self._stage.jobs.cancel(job)

    async def _warm(self) -> None:
        await warm(self._stage, self._world, self._session.view, self._session.player, self.assignment.npc)

    async def _generate(self, prompting: Prompting, speech: Speech) -> None:
        self._answer = self._stage.router.answer(
            prompting.request_for,
            self._limits(),
            purpose=prompting.purpose,
            only=prompting.routes,
            rebuild=prompting.smaller_request_for,
        )
        self._stage.generating += 1
        try:
            async with aclosing(self._answer) as deltas:
                async for delta in deltas:
                    self.state = State.SPEAKING
                    self._watch.mark("first_token")
                    prompting.heard_ids(delta)
                    speech.feed(delta.text)
                    if speech.ended:
                        break
            speech.close()
        finally:
            self._stage.generating -= 1

    def _limits(self) -> TurnLimits:
        dialogue = self._stage.settings.dialogue
        first_text_ms = self.assignment.deadline_ms or dialogue.first_text_ms
        return TurnLimits(
            first_text_ms=first_text_ms,
            authored_after_ms=max(first_text_ms, dialogue.authored_after_ms),
            gap_ms=dialogue.gap_ms,
            turn_ms=max(first_text_ms, dialogue.turn_ms),
            received_s=self._began_s(),
        )

    def _began_s(self) -> float:
        """A deadline that the client set runs from receipt; otherwise waiting for one's turn to speak costs no time."""
        if self.assignment.deadline_ms is not None and self._after is None:
            return self.assignment.received_s
        return self._stage.clock()

    def _new_speech(self, persona: Persona, others: Sequence[str]) -> Speech:
        speech = Speech(
            ReplyFilter(persona.name, others),
            self._send_token if self._session.wants_tokens else lambda text: None,
            functools.partial(self._send_line, persona),
            persona.language,
        )
        if self.assignment.deadline_ms is not None:
            left_s = self._began_s() + self.assignment.deadline_ms / 1_000 - self._stage.clock()
            speech.flush_in(max(0.0, left_s))
        return speech

    def _send_token(self, text: str) -> None:
        self._session.put(Token(turn=self.assignment.turn, text=text, re=self.assignment.re))

    def _send_line(self, persona: Persona, text: str) -> None:
        self._watch.mark("first_line")
        duration_ms = speech_ms(text, persona.language)
        line = Line(
            turn=self.assignment.turn,
            line=self._lines,
            npc=self.assignment.npc,
            to=self.assignment.to,
            text=text.strip(),
            mood=self._prompting.briefing.mood if self._prompting is not None else persona.mood,
            duration_ms=duration_ms,
            re=self.assignment.re,
        )
        self._lines += 1
        self._session.put(line, self.playback.add(text, duration_ms))

    def _perform(self) -> None:
        if not self.assignment.heard:
            return
        heard = Heard(self._world.name, self.assignment.npc, self._session.player, self.assignment.heard)
        for action in perform(self._stage.mods, heard, self.assignment.turn, self.assignment.re):
            self.performed.append(Performed(action.name))
            self._session.put(action)

    async def _finish(self, reason: Reason) -> None:
        self._watch.mark("total")
        player, answer = self._session.player, self._answer
        record = turn_record(self.assignment, reason, player, self.playback, self._speech, self._prompting, answer)
        cost_usd = self._stage.purse.cost_of(record.turn)
        end = turn_end(record, self.assignment, self._prompting, answer, self._watch, cost_usd)
        record = replace(record, trace=trace_of(end, self._prompting))
        name = self._prompting.briefing.context.persona.name if self._prompting is not None else ""
        line = heard_event(self.assignment, self._view, player, self._stage.wall(), name, record.heard)
        is_kept = True
        try:
            await self._stage.memory.commit_turn(record, line)
        except StoreError as error:
            log.error("turn_not_kept", turn=record.turn, error=error.message)
            self._session.put(Notice(code="not_kept", message=error.message, hint=error.hint))
            end = end.model_copy(update={"reason": "failed", "heard": ""})
            is_kept = False
        self.state = State(end.reason)
        self._session.put(end)
        if is_kept:
            self._remember(record, end)
            reflect(self._stage, self._world, (record.npc, *self.assignment.witnesses))
        self._session.note_routes(answer.attempts if answer is not None else ())
        self._stage.observer.turn_ended(end)

    def _is_as_generated(self, record: TurnRecord) -> bool:
        """Whether the engine holds the reply as it stands in history; one that gives no ids holds nothing for us."""
        answer = self._answer
        if answer is None or answer.finish is None or answer.route is None:
            return False
        if answer.degraded and not answer.route.degraded:
            return False
        return bool(record.token_ids) or not answer.finish.fingerprint

    def _remember(self, record: TurnRecord, end: TurnEnd) -> None:
        """Let the conversation grow by this turn."""
        if self._prompting is None or not record.written:
            return
        conversation = self._prompting.briefing.conversation
        if self._world.conversations.get(record.npc) is not conversation:
            # It ended meanwhile. Another that was begun in its place does not know of this turn; the next one does.
            self._world.conversations.pop(record.npc, None)
            return
        hosted = self._prompting.is_hosted(end.route.name)
        built = self._prompting.used(end.route.name)
        lost_history = conversation.lost(built.kept_history, hosted=hosted)
        conversation.keep_newest(built.kept_history, hosted=hosted)
        if not hosted:
            self._stage.observer.prompt_grew(conversation.growing.note(built, lost_history=lost_history))
        conversation.left_out(self._prompting.briefing.untold(record.written))
        conversation.scene.wrote(self._view, record.npc)
        conversation.bearing.wrote(self._prompting.briefing.bearing, record.written)
        conversation.add(record, self._stage.clock())
        if not hosted:
            upkeep = Upkeep(self._stage, self._world, self._view, self._session.player, record.npc)
            upkeep.after_turn(conversation, built.tokens, as_generated=self._is_as_generated(record))
