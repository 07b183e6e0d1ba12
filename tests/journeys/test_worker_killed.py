"""The engine's process is killed at random moments, and every turn is answered all the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from server.backends.authored import AuthoredBackend
from server.backends.base import Delta, Request
from server.backends.llama.backend import LlamaBackend
from server.backends.llama.native import library
from server.backends.llama.supervisor import Timing
from server.config import BudgetSettings, LlamaRoute, RoutingSettings
from server.protocol import messages as m
from server.routing.router import Router
from tests.support.stage import house, say
from tests.support.tiny_gguf import write_tiny_lfm2

pytestmark = pytest.mark.engine

TURNS = 200
KILLS = 24
LIMIT_S = 30
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Mortal(LlamaBackend):
    """Its worker is killed after so many deltas of the next reply as `dies_after` says; never where that is None."""

    dies_after: int | None = None
    killed: list[int]

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        after, self.dies_after = self.dies_after, None
        seen = 0
        self._kill_at(after, seen)
        async with aclosing(super().generate(request)) as deltas:
            async for delta in deltas:
                seen += 1
                self._kill_at(after, seen)
                yield delta

    def _kill_at(self, after: int | None, seen: int) -> None:
        if after == seen and (pid := self.worker_pid) is not None:
            os.kill(pid, KILL)
            self.killed.append(pid)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_no_turn_is_lost_and_nothing_leaks_when_the_worker_is_killed(tmp_path: Path) -> None:
    library()  # its import opens descriptors for good
    chance = random.Random(11)
    dying = {turn: chance.randrange(12) for turn in chance.sample(range(TURNS), KILLS)}
    path = write_tiny_lfm2(tmp_path / "tiny.gguf", context=4_096)
    route = LlamaRoute(kind="llama", path=path, context=4_096, threads=1)
    timing = Timing(poll_s=0.01, restart_s=0.01, restart_most_s=0.05)
    local = Mortal("local", route, model_dir=tmp_path, cache_dir=tmp_path / "cache", timing=timing)
    local.killed = []
    budget = BudgetSettings(prompt_tokens=1_024, reply_tokens=8)
    limits = {"first_text_ms": 20_000, "authored_after_ms": 30_000, "turn_ms": 60_000}
    authored = AuthoredBackend("authored", rng=random.Random(3))
    # A route that fails three times in a row would rest for ten seconds.
    stubborn = Router([local, authored], RoutingSettings(breaker_failures=TURNS))
    async with house(tmp_path, local, authored, budget=budget, **limits) as home:
        home.stage.router = stubborn
        await home.stage.router.start()
        client = await home.enter("hilda", "ansel")
        before = descriptors()
        for turn in range(TURNS):
            local.dies_after = dying.get(turn)
            if local.dies_after is not None:
                async with asyncio.timeout(LIMIT_S):
                    await local.until("ready")
            ok = await client.ask(say(f"Line {turn}.", id=f"s{turn}", to=["hilda", "ansel"][turn % 2]))
            assert isinstance(ok, m.Ok)
            end = await client.next(m.TurnEnd)
            assert end.reason == "done", end
            assert end.heard, end
        ends = client.all(m.TurnEnd)
        assert len(ends) == len({end.turn for end in ends}) == TURNS
        assert len(local.killed) >= KILLS // 2
        async with asyncio.timeout(LIMIT_S):
            await local.until("ready")
        assert descriptors() <= before + 4  # the worker's three pipes, where it was not there yet, and one to spare
        assert not any(is_alive(pid) for pid in local.killed)
        last = local.worker_pid
        assert last is not None
    assert not is_alive(last)
