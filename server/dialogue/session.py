"""A client's session: its scene, its turns, and what it is told. It outlives its connection for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import structlog

from server.dialogue.assignment import Assignment
from server.dialogue.clock import GameClock
from server.dialogue.outbox import GOING_AWAY, Outbox
from server.dialogue.scene import SceneView
from server.dialogue.stage import Stage
from server.dialogue.turn import Turn
from server.dialogue.world import World
from server.errors import BarkeepError, ProtocolError
from server.memory.records import SessionRecord
from server.protocol.codes import ERROR_CODES, Code, problem
from server.protocol.messages import ClientMessage, Error, Hello, Notice, ServerMessage
from server.routing.attempt import OK, Attempt

log = structlog.get_logger(__name__)

REMEMBERED_IDS = 4_096
REMEMBERED_TURNS = 128
"""Ended turns whose actions may still be reported on."""
REMEMBERED_IDS = 256
"""Ids of messages that were done and wrote nothing; memory keeps the others for good."""


class Session:
    """Everything one client is to the server. Messages are handled one after another, in the order they came."""

    def __init__(self, stage: Stage, world: World, record: SessionRecord, hello: Hello) -> None:
        limits = stage.settings.server.limits
        self.stage = stage
        self.world = world
        self.record = record
        self.hello = hello
        self.view = SceneView()
        self.clock = GameClock(world.time)
        self.outbox = Outbox(limits.outbox_messages, limits.outbox_bytes)
        self.last_speaker: str | None = None
        self.turns: OrderedDict[str, Turn] = OrderedDict()
        self.done_ids: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self.dropped_s: float | None = stage.clock()  # nobody is connected until `attach`
        self._tasks: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()
        self._client_ids: set[str] = set()
        self._closed = False
        self._greeting: ServerMessage | None = None
        self._after = 0
        self._linger: asyncio.TimerHandle | None = None
        self._routes_told: dict[str, str] = {}
        self._money_told: set[str] = set()

    @property
    def id(self) -> str:
        """The session's id; whoever knows it may resume it."""
        return self.record.session

    @property
    def player(self) -> str:
        """The player's id."""
        return self.record.player

    @property
    def wants_tokens(self) -> bool:
        """True where the client asked for `stream: tokens`."""
        return self.hello.stream == "tokens"

    @property
    def reports_played(self) -> bool:
        """True where the client reports playback."""
        return self.hello.played

    def greet(self, welcome: ServerMessage, after: int | None = None) -> None:
        """What the next connection is told first; with `after`, it goes on behind that message number."""
        if after is None:
            self.outbox.put(welcome)
        else:
            self._greeting = welcome
            self._after = after

    def attach(self) -> int:
        """A connection begins; its number."""
        self.dropped_s = None
        if self._linger is not None:
            self._linger.cancel()
        greeting, self._greeting = self._greeting, None
        return self.outbox.attach(self._after, greeting)

    def detach(self, connection: int) -> None:
        """A connection is gone. The session goes on for `linger_s`, then its turns end."""
        if not self.outbox.detach(connection):
            return
        self.dropped_s = self.stage.clock()
        linger_s = self.stage.settings.server.limits.linger_s
        self._linger = asyncio.get_running_loop().call_later(linger_s, self.end_turns, "stopped")

    def put(self, message: ServerMessage, on_taken: Callable[[], None] | None = None) -> None:
        """Send a message to the client."""
        self.outbox.put(message, on_taken)

    async def handle(self, message: ClientMessage) -> None:
        """Do one message; whatever comes of it goes into the outbox. A caller that gives up does not undo it."""
        await asyncio.shield(self._own(self._handle(message), f"message:{message.type}"))

    async def _handle(self, message: ClientMessage) -> None:
        from server.dialogue.handlers import answer_to  # handlers need Session; Session needs them only here

        async with self._order:
            try:
                if self._closed:
                    raise ProtocolError(Code.INTERNAL, "the session is closed", "connect again", retryable=True)
                answer = await answer_to(self, message)
            except ProtocolError as error:
                self.refuse(error, message.id)
            except BarkeepError as error:
                self.refuse(_on_the_wire(error), message.id)
            else:
                if answer is not None:
                    self.put(answer.model_copy(update={"re": message.id}))

    def is_first_use(self, client_id: str) -> bool:
        """Whether nobody can have answered this id: what saves every fresh message a look into the database."""
        has_forgotten = self.record.lineage != self.id or len(self._client_ids) >= REMEMBERED_IDS
        if has_forgotten or client_id in self._client_ids:
            return False
        self._client_ids.add(client_id)
        return True

    def refuse(self, error: ProtocolError, re: str | None) -> None:
        """Answer a message that was not done."""
        self.put(Error(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable, re=re))

    def begin(self, assignment: Assignment, after: Turn | None = None) -> Turn:
        """Start a turn. It runs by itself until its `turn.end`."""
        turn = Turn(self.stage, self.world, self, assignment, after)
        self.turns[assignment.turn] = turn
        while len(self.turns) > REMEMBERED_TURNS and next(iter(self.turns.values())).ended.is_set():
            self.turns.popitem(last=False)
        self._own(turn.run(), f"turn:{assignment.turn}")
        self.last_speaker = assignment.npc
        return turn

    def go_back_to(self, time: float | None) -> None:
        """The timeline moved to a moment at or after this game time."""
        self.clock.restart(time)
        self.view = replace(self.view, time=time)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def present(self) -> tuple[str, ...]:
        """The ids of everyone in the scene."""
        return tuple(person.npc for person in self.view.present)

    def turn(self, turn: str) -> Turn:
        """A turn of this session that is not forgotten yet.

        Raises:
            ProtocolError: `unknown_turn`.
        """
        if turn not in self.turns:
            raise ProtocolError(
                Code.UNKNOWN_TURN,
                f"this session has no turn {turn[:64]!r}",
                "use the turn of a `turn.start` in this session",
            )
        return self.turns[turn]

    @property
    def open_turns(self) -> list[Turn]:
        """Turns without their `turn.end`, oldest first."""
        return [turn for turn in self.turns.values() if not turn.ended.is_set()]

    def end_turns(self, reason: str) -> list[Turn]:
        """Ask every open turn to end; returns those asked."""
        turns = self.open_turns
        for turn in turns:
            turn.end("superseded" if reason == "superseded" else "stopped")
        return turns

    async def turns_ended(self, reason: str) -> None:
        """End every open turn and wait until what was heard is committed."""
        for turn in self.end_turns(reason):
            await turn.ended.wait()

    def note_routes(self, attempts: Sequence[Attempt]) -> None:
        """A notice for each route that failed, once until it answers again."""
        hints = {state.name: state.hint for state in self.stage.router.states()}
        for attempt in attempts:
            outcome = attempt.outcome if attempt.failed else ""
            if self._routes_told.get(attempt.route, "") == outcome or not (attempt.failed or attempt.outcome == OK):
                continue
            self._routes_told[attempt.route] = outcome
            if outcome:
                message = f"route {attempt.route} did not answer: {attempt.message}"
                hint = attempt.hint or hints.get(attempt.route, "")
                self.put(Notice(code="route_failed", message=message, hint=hint))

        self._note_money()

    def _note_money(self) -> None:
        """A notice for each matter of money, once as long as it holds."""
        notices = {notice.message: notice for notice in self.stage.purse.notices()}
        for message, notice in notices.items():
            if message not in self._money_told:
                self.put(Notice(code=notice.code, message=message, hint=notice.hint))
        self._money_told = set(notices)

    async def close(self) -> None:
        """End all turns, then tell the connection that the server goes."""
        if self._linger is not None:
            self._linger.cancel()
        async with self._order:
            self._closed = True
            self.stage.jobs.cancel(f"warm:{self.id}")
            await self.turns_ended("stopped")
        self.world.sessions.discard(self)
        self.outbox.close(GOING_AWAY, "the session is closed")


def _on_the_wire(error: BarkeepError) -> ProtocolError:
    code = error.code if error.code in ERROR_CODES else Code.INTERNAL
    if code == Code.INTERNAL:
        log.error("message_failed", code=error.code, error=error.message)
    return problem(code, error.message, error.hint or None)
