"""Runs one case over real sockets: a whole house, the real hosted route, and a server on loopback that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from server.backends.base import Backend
from server.backends.hosted.session import HttpSession
from server.backends.registry import Dependencies, make
from server.config import RouteSettings, RoutingSettings
from server.protocol import messages as m
from tests.faults import cases
from tests.faults.cases import Case
from tests.support.fault_server import FaultServer, closed_port, fault_server
from tests.support.routes import Route, authored
from tests.support.stage import Client, house, say

PATIENCE_S = 10.0
PLAYED_AT_MOST = 3
PULSE_S = 0.005
STOOD_STILL_MS = 30.0
"""Half of the shortest deadline: a loop that stood still for so long says nothing about routes."""
LINE = "I walked here since dawn, and the road is all water. " * 12
"""Long enough that a prompt with two turns before it can be made smaller."""
ROUTING = RoutingSettings(hedge_after_ms=cases.HEDGE_AFTER_MS)
TIMES: dict[str, Any] = {
    "first_text_ms": cases.FIRST_TEXT_MS,
    "authored_after_ms": cases.AUTHORED_AFTER_MS,
    "gap_ms": cases.GAP_MS,
    "turn_ms": cases.TURN_MS,
}
_ROUTES: TypeAdapter[RouteSettings] = TypeAdapter(RouteSettings)


@dataclass(frozen=True)
class Played:
    """What a player and the faulty server saw of one turn."""

    ends: list[m.TurnEnd]
    lines: list[str]
    notices: list[m.Notice]
    everything: str
    """All that the client was sent, as JSON."""
    asked: int

    @property
    def end(self) -> m.TurnEnd:
        return self.ends[0]

    def outcomes(self, route: str) -> str:
        """How each attempt at `route` went, in one word each."""
        return " ".join(one.outcome for one in self.end.route.attempts if one.route == route)

    @property
    def first_line_ms(self) -> float:
        return self.end.ms.first_line or 0.0

    @property
    def total_ms(self) -> float:
        return self.end.ms.total or 0.0


async def play(case: Case, tmp_path: Path, *, local_up: bool, replica: bool = False) -> Played:
    """The turn of one case; again, where the machine itself stood still meanwhile.

    With `replica` the hosted route has a second server, which is well.
    """
    for attempt in range(PLAYED_AT_MOST):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        async with _pulse() as stood_still_ms:
            played = await _play(case, folder, local_up=local_up, replica=replica)
        if max(stood_still_ms, default=0.0) < STOOD_STILL_MS:
            break
    return played


async def _play(case: Case, folder: Path, *, local_up: bool, replica: bool) -> Played:
    """One turn, and those before it; afterwards nothing of them runs on."""
    before = asyncio.all_tasks()
    local = Route("local", cases.LOCAL_WORDS, state="ready" if local_up else "down")
    async with (
        _server(case) as server,
        fault_server() as other,
        _hosted(case, [_address(case, server), *([other.url] if replica else [])], folder) as hosted,
    ):
        async with house(folder, hosted, local, authored(), routing=ROUTING, **TIMES) as stage:
            client = await stage.enter("hilda")
            for reply in case.before:
                server.reply = reply
                await _turn(client)
            heard, asked = len(client.seen), len(server.requests)
            if not isinstance(case.fault, str):
                server.first, server.reply = list(case.first), case.fault
            await _turn(client)
            seen, asked = client.seen[heard:], len(server.requests) - asked
        assert local.open == 0
        # The server's last handlers end because the client went away.
        async with asyncio.timeout(PATIENCE_S):
            if server.open:
                await server.idle.wait()
    left = asyncio.all_tasks() - before
    assert not left, f"tasks left behind: {left}"
    return _played(seen, asked)


async def _turn(client: Client) -> None:
    """Say something long, and hear the answer out."""
    await client.ask(say(LINE, id=f"s{len(client.all(m.TurnEnd))}"))
    await client.next(m.TurnEnd)


@asynccontextmanager
async def _pulse() -> AsyncIterator[list[float]]:
    """How much later than wanted the event loop came round, in milliseconds, time after time."""
    late_ms: list[float] = []

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + PULSE_S
            await asyncio.sleep(PULSE_S)
            late_ms.append((loop.time() - due_s) * 1_000)

    task = asyncio.create_task(beat(), name="pulse")
    try:
        yield late_ms
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _server(case: Case) -> AsyncIterator[FaultServer]:
    async with fault_server(tls=case.fault == cases.TLS) as server:
        yield server


@asynccontextmanager
async def _hosted(case: Case, urls: list[str], tmp_path: Path) -> AsyncIterator[Backend]:
    http = HttpSession()
    settings = {"kind": case.kind, "base_url": urls, "model": "served", "api_key": cases.KEY}
    try:
        yield make("hosted", _ROUTES.validate_python(settings), deps=Dependencies(model_dir=tmp_path, http=http))
    finally:
        await http.close()


def _address(case: Case, server: FaultServer) -> str:
    if case.fault == cases.REFUSED:
        return f"http://127.0.0.1:{closed_port()}/v1"
    return "http://nobody.invalid/v1" if case.fault == cases.NO_NAME else server.url


def _played(seen: list[m.ServerMessage], asked: int) -> Played:
    return Played(
        [one for one in seen if isinstance(one, m.TurnEnd)],
        [one.text for one in seen if isinstance(one, m.Line)],
        [one for one in seen if isinstance(one, m.Notice)],
        "\n".join(one.model_dump_json() for one in seen),
        asked,
    )
