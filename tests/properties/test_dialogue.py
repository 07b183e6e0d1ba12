"""Random programs of several clients, on routes that answer, stall, fail or are cut: what holds whatever happens."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from server.backends.base import Delta, Progress, Request
from server.config import LimitSettings
from server.dialogue.session import Session
from server.errors import RouteBroken
from server.plugins.hooks import Happening, Reaction
from server.plugins.mods import Mods
from server.protocol import messages as m
from server.routing.router import Router
from server.text.heard import heard_part
from tests.support.dialogue_oracle import TAG, Asked, AtOnce, Oracle, tags
from tests.support.routes import Route, Step
from tests.support.stage import House, hello_of, house
from tests.support.virtual_time import VirtualTimeLoop, now_s

NPCS = ("hilda", "ansel", "corrie")
WORLDS = {"wren": "one", "tilly": "one", "zoe": "two"}
HANG = 3_600.0
LONGEST_TURN_S = 600.0
"""Longer than any turn may go on by itself."""


class Scripted(Route):
    """Each request gets the next behaviour; every prompt is held against what its NPC may know."""

    def __init__(self, oracle: Oracle, behaviours: list[str]) -> None:
        super().__init__("local")
        self._oracle = oracle
        self._behaviours = itertools.cycle(behaviours)
        self._numbers = itertools.count()

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        self._check(request)
        self._steps = tuple(_steps(next(self._behaviours), next(self._numbers)))
        async for delta in super().generate(request):
            yield delta

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        # What is only read, not answered, may be of a time that a load has just left; it is of one world all the same.
        told = tags(_prompt(request))
        known = [self._oracle.ever_known(world, request.npc) for world in WORLDS.values()]
        self._oracle.expect_known(told, next((tags for tags in known if told <= tags), set()), request.npc)
        async for progress in super().warm(request):
            yield progress

    def _check(self, request: Request) -> None:
        told, own = tags(_prompt(request)), tags(request.heard)
        self._oracle.expect_known(own, told, request.npc)
        # Not the head: a turn that a load is ending right now belongs to the branch in which it was asked for.
        asked = own.pop() if own else TAG.findall(_prompt(request))[-1]
        self._oracle.expect_known(told, self._oracle.branch_of[asked].known_to(request.npc), request.npc)


def _steps(behaviour: str, number: int) -> Iterator[Step]:
    if behaviour != "fail":
        yield 0.2
    if behaviour in ("fail", "silent"):
        yield RouteBroken("it broke") if behaviour == "fail" else HANG
    yield f"Well, qr{number}a is the first word. And qr{number}b, "
    if behaviour in ("stall", "cut"):
        yield RouteBroken("cut") if behaviour == "cut" else HANG
    yield 0.2
    yield f"I think, is another. The last is qr{number}c, so there."


def _prompt(request: Request) -> str:
    return "\n".join(getattr(segment, "text", "") for segment in request.prompt.segments)


class Excitable(Mods):
    """The first witness of an event speaks up about it, where the event asks for that."""

    def on_event(self, happening: Happening) -> list[Reaction]:
        return [Reaction(npc, f"Tell of {happening.text}") for npc in happening.witnesses[:1] if "!" in happening.text]


class Player:
    """A client: what it saw by `seq`, over all its connections."""

    def __init__(self, home: House, oracle: Oracle, name: str, *, played: bool) -> None:
        self.home = home
        self.oracle = oracle
        self.name = name
        self.world = WORLDS[name]
        self.played = played
        self.seen: dict[int, m.ServerMessage] = {}
        self.present: tuple[str, ...] = NPCS
        self.session: Session | None = None
        self.reports: dict[str, list[float]] = {}
        self.late: set[str] = set()
        self._ids = itertools.count()
        self._reader: asyncio.Task[None] | None = None
        self._last: m.ClientMessage | None = None

    @property
    def messages(self) -> list[m.ServerMessage]:
        return [self.seen[seq] for seq in sorted(self.seen)]

    async def join(self, missed: int = 0) -> None:
        """Connect, or connect again without having seen the last `missed` messages."""
        resume = None
        if self.session is not None:
            resume = m.Resume(session=self.session.id, seq=max(1, len(self.seen) - missed))
        hello = hello_of(world=self.world, player=self.name, played=self.played, resume=resume, stream="tokens")
        session = await self.home.sessions.open(hello)
        assert self.session in (None, session)
        self.session = session
        self._reader = asyncio.create_task(self._read(session.attach(), resume.seq if resume else 0), name="reader")

    async def _read(self, connection: int, last: int) -> None:
        assert self.session is not None
        while True:
            message = await self.session.outbox.next(connection)
            if isinstance(message, m.Welcome) and message.resumed:
                assert message.seq == last
                continue
            assert message.seq == last + 1
            last = message.seq
            assert self.seen.setdefault(last, message) == message
            await asyncio.sleep(0.01)  # a transport takes its time, and may break before it can say so
            self.session.outbox.taken(connection, last)

    async def leave(self) -> None:
        if self._reader is not None and self.session is not None:
            connection = self.session.outbox._connection
            self._reader.cancel()
            for result in await asyncio.gather(self._reader, return_exceptions=True):
                assert isinstance(result, asyncio.CancelledError), result
            self._reader = None
            self.session.detach(connection)

    async def ask(self, message: m.ClientMessage, asked: Asked | None = None) -> None:
        if self._reader is None or self.session is None:
            return
        self.oracle.asked = asked or Asked(self.world)
        self._last = message
        await self.session.handle(message)

    def new_id(self) -> str:
        return f"{self.name}-{next(self._ids)}"

    async def repeat(self) -> None:
        """The last message again, as a client does that did not see the answer; memory is not asked to write."""
        if isinstance(self._last, m.Say | m.Cue | m.Event | m.Save | m.Load | m.Stop):
            before = len(self.oracle.turns)
            await self.ask(self._last)
            assert len(self.oracle.turns) == before

    async def report(self, fraction: float) -> None:
        """The next line of the newest turn was played; one that was cut is the last."""
        lines = [message for message in self.messages if isinstance(message, m.Line)]
        if not lines or not self.played:
            return
        turn = lines[-1].turn
        reports = self.reports.setdefault(turn, [])
        if len(reports) <= lines[-1].line and set(reports) <= {1.0} and turn not in self.oracle.lines:
            await self.ask(m.Played(turn=turn, line=len(reports), fraction=fraction))
            reports.append(fraction)
            self.late |= {turn} & set(self.oracle.lines)  # it ended in this very moment: either is right

    def heard(self, turn: str) -> list[str]:
        """The words of this turn that were played."""
        lines = [message.text for message in self.messages if isinstance(message, m.Line) and message.turn == turn]
        parts = (heard_part(line, played) for line, played in zip(lines, self.reports.get(turn, []), strict=False))
        return " ".join(parts).split()


class Program:
    """Runs the steps that hypothesis draws."""

    def __init__(self, home: House, oracle: Oracle, players: list[Player]) -> None:
        self.home, self.oracle, self.players = home, oracle, players
        self._tags = itertools.count()

    async def question_everybody(self) -> None:
        """At the end every NPC answers everyone: what it should not know would show."""
        for player in self.players:
            if player._reader is None:
                await player.join()
            await self._scene(player, NPCS, 0)
            await self._say(player, NPCS, 3)
            await asyncio.sleep(LONGEST_TURN_S / 2)

    async def step(self, kind: str, player: Player, npcs: list[str], pick: int) -> None:
        await getattr(self, f"_{kind}")(player, tuple(npcs), pick)

    async def _say(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        tag = f"qs{next(self._tags)}"
        here = frozenset(npcs) & frozenset(player.present)
        fields: dict[str, Any] = {"id": player.new_id(), "text": f"Hear me: {tag}."}
        heard = frozenset(player.present)
        if npcs:
            fields["to"] = list(npcs)
            match pick % 4:
                case 0:
                    fields["whisper"], heard = True, here
                case 1:
                    fields["witnesses"], heard = ["corrie"], here | {"corrie"}
                case 2:
                    fields["deadline_ms"] = 300
        await player.ask(m.Say(**fields), Asked(player.world, heard, tag))

    async def _cue(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        tag, npc = f"qc{next(self._tags)}", (npcs or NPCS)[0]
        message = m.Cue(id=player.new_id(), npc=npc, instruction=f"Speak of {tag}.", ambient=pick % 2 == 0)
        await player.ask(message, Asked(player.world, frozenset(player.present), tag))

    async def _event(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        tag = f"qc{next(self._tags)}"
        witnesses = npcs if pick % 2 else player.present
        text = f"There was {tag}{'!' if pick % 4 < 2 else '.'}"
        message = m.Event(id=player.new_id(), text=text, witnesses=list(npcs) if pick % 2 else None)
        await player.ask(message, Asked(player.world, frozenset(witnesses), tag))

    async def _stop(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        turns = player.session.turns if player.session is not None else {}
        turn = next(iter(turns), None) if pick % 2 else None
        await player.ask(m.Stop(id=player.new_id(), turn=turn))

    async def _played(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.report(1.0 if pick % 3 else pick / 10)

    async def _save(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.ask(m.Save(id=player.new_id(), save="ab"[pick % 2]))

    async def _load(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.ask(m.Load(id=player.new_id(), save=("a", "b", None)[pick % 3]))

    async def _drop(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.leave()

    async def _resume(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.leave()
        await player.join(missed=pick)

    async def _scene(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        if player._reader is not None:
            player.present = npcs
            await player.ask(m.Scene(id=player.new_id(), present=[m.Present(npc=npc) for npc in npcs]))

    async def _warm(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.ask(m.Warm(id=player.new_id(), npc=(npcs or NPCS)[0]))

    async def _repeat(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await player.repeat()

    async def _wait(self, player: Player, npcs: tuple[str, ...], pick: int) -> None:
        await asyncio.sleep((0.005, 0.25, 0.5, 1.0, 3.0, 5.0, 9.0, 12.0)[pick % 8])


OFTEN = ("say", "wait", "event", "load", "resume")
SELDOM = ("cue", "stop", "played", "save", "drop", "scene", "warm", "repeat")
STEPS = st.tuples(
    st.sampled_from(OFTEN * 3 + SELDOM),
    st.integers(0, 2),
    st.lists(st.sampled_from(NPCS), max_size=3, unique=True),
    st.integers(0, 9),
)
BEHAVIOURS = st.lists(st.sampled_from(("finish", "finish", "stall", "silent", "fail", "cut")), min_size=1, max_size=4)


@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    program=st.lists(STEPS, min_size=8, max_size=30),
    behaviours=BEHAVIOURS,
    played=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    floor=st.booleans(),
)
def test_whatever_happens_turns_end_once_and_nobody_knows_too_much(
    program: list[tuple[str, int, list[str], int]], behaviours: list[str], played: tuple[bool, ...], floor: bool
) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(patch("server.memory.database.ThreadPoolExecutor", AtOnce))
        runner = stack.enter_context(asyncio.Runner(loop_factory=VirtualTimeLoop))
        logs = stack.enter_context(capture_logs())
        runner.run(_run(folder, program, behaviours, played, floor=floor))
        assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def _run(
    folder: Path, program: list[tuple[str, int, list[str], int]], behaviours: list[str], played: Any, *, floor: bool
) -> None:
    oracle = Oracle()
    routes = [Scripted(oracle, behaviours)]
    if floor:
        routes.append(Route("authored", "Not now, qr99999x.", generating=False))  # type: ignore[arg-type]  # a Route too
    async with house(folder, *routes, mods=Excitable(), limits=LimitSettings(resume_s=10 * LONGEST_TURN_S)) as home:
        home.stage.clock = now_s
        home.stage.router = Router(routes, clock=now_s)
        oracle.watch(home.stage.memory)
        players = [Player(home, oracle, name, played=is_played) for name, is_played in zip(WORLDS, played, strict=True)]
        for player in players:
            await player.join()
            await player.ask(m.Scene(id="scene", present=[m.Present(npc=npc) for npc in NPCS]))
        steps = Program(home, oracle, players)
        for kind, who, npcs, pick in program:
            await steps.step(kind, players[who], npcs, pick)
        await asyncio.sleep(LONGEST_TURN_S / 2)
        assert [player.name for player in players if player.session and player.session.open_turns] == []
        await steps.question_everybody()
        await _settle(home, players)
        await _check(home, oracle, players)
        for player in players:
            await player.leave()
    assert home.stage.scheduler._queues == {}
    assert home.stage.jobs._tasks == {}
    assert home.stage.generating == 0
    assert [(route.open, route.warming) for route in routes] == [(0, 0)] * len(routes)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"


async def _settle(home: House, players: list[Player]) -> None:
    """Everybody reads what is left."""
    for player in players:
        if player._reader is None:
            await player.join()
    await asyncio.sleep(LONGEST_TURN_S / 2)


async def _check(home: House, oracle: Oracle, players: list[Player]) -> None:
    rows = await home.stage.memory._database.read(
        lambda connection: connection.execute(
            "SELECT 't' || turn, state, heard, (SELECT group_concat(text, '|') FROM events e WHERE e.turn = t.turn) "
            "FROM turns t"
        ).fetchall()
    )
    assert oracle.leaks == []
    kept = {turn: (state, heard, heard or None) for turn, state, heard, _ in rows}
    assert kept == {turn: (state, heard, line) for turn, state, heard, line in rows}
    ended: dict[str, m.TurnEnd] = {}
    for player in players:
        ended |= _check_stream(player, oracle)
    assert {turn: (end.reason, end.heard, end.heard or None) for turn, end in ended.items()} == kept


def _check_stream(player: Player, oracle: Oracle) -> dict[str, m.TurnEnd]:
    messages = player.messages
    assert player.session is not None
    assert list(player.seen) == list(range(1, player.session.outbox.seq + 1))
    begun = {turn.turn for ok in messages if isinstance(ok, m.Ok) for turn in ok.turns or ()}
    ended: dict[str, m.TurnEnd] = {}
    for message in messages:
        turn = getattr(message, "turn", None)
        assert turn is None or (turn in begun and turn not in ended), message
        if isinstance(message, m.TurnEnd):
            ended[message.turn] = message
            heard = message.heard.split()
            assert heard == message.text.split()[: len(heard)]
            assert oracle.lines[message.turn] == message.heard
            assert not player.played or heard == player.heard(message.turn) or message.turn in player.late
    assert set(ended) == begun
    return ended
