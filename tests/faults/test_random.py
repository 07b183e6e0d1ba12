"""A thousand turns on a provider that fails at random, with the local engine behind it: nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.backends.base import Backend
from server.backends.hosted.backend import HostedBackend
from server.backends.hosted.session import HttpSession
from server.backends.llama.backend import LlamaBackend
from server.config import BudgetSettings, HostedBudget, LlamaRoute, OpenAIRoute, RoutingSettings
from tests.faults.cases import CASES, KEY, Case
from tests.faults.rig import TIMES
from tests.support.fault_server import Reply, fault_server
from tests.support.routes import authored
from tests.support.stage import house
from tests.support.talk import talk
from tests.support.tiny_gguf import write_tiny_lfm2

TURNS = 1_000
NPCS = ("hilda", "ansel", "corrie", "hilda2", "ansel2")
LOAD_S = 30.0
HEALTHY_SHARE = 0.3
FOR_LONG = ("401", "402", "403", "Retry-After")
"""After these the route rests for longer than the test takes."""


def faults() -> list[Reply]:
    """Every reply of the table after which the route is soon asked again."""
    return [case.fault for case in CASES if isinstance(case.fault, Reply) and not _rests_for_long(case)]


def _rests_for_long(case: Case) -> bool:
    return any(word in case.name for word in FOR_LONG)


@pytest.mark.engine
@pytest.mark.timeout(240)
async def test_a_thousand_turns_leave_no_task_no_connection_and_no_sequence_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = asyncio.all_tasks()
    rng, http = random.Random(4), HttpSession()
    path = write_tiny_lfm2(tmp_path / "tiny.gguf", context=8_192)
    local = LlamaBackend("local", LlamaRoute(kind="llama", path=path, context=8_192, threads=1), model_dir=tmp_path)
    async with fault_server() as server:
        server.first = [rng.choice(faults()) if rng.random() > HEALTHY_SHARE else Reply() for _ in range(8 * TURNS)]
        settings = OpenAIRoute(kind="openai", base_url=server.url, model="served", api_key=SecretStr(KEY))
        hosted = HostedBackend("hosted", settings, http)
        answered = await talks(tmp_path, hosted, local)
        assert min(answered[name] for name in ("hosted", "local", "authored")) > TURNS // 50
        async with asyncio.timeout(10):
            if server.open:
                await server.idle.wait()
        connector = http.get().connector
        assert connector is not None
        assert not connector._acquired
        await http.close()
    assert asyncio.all_tasks() == before
    logged = "".join(capfd.readouterr())
    assert "route_failed" in logged
    assert KEY not in logged


async def talks(folder: Path, hosted: Backend, local: LlamaBackend) -> Counter[str | None]:
    """Which route answered how many of the turns."""
    times = {**TIMES, "gap_ms": 60}
    routing = RoutingSettings(hedge_after_ms=20, hedge_percent=50, rest_s=0.01, rest_at_most_s=0.02)
    budget = BudgetSettings(reply_tokens=8, hosted=HostedBudget(reply_tokens=8))
    async with house(folder, hosted, local, authored(), routing=routing, budget=budget, **times) as home:
        await home.stage.router.start()
        async with asyncio.timeout(LOAD_S):
            await local.until("ready")
        talking = (talk(home, npc, TURNS // len(NPCS)) for npc in NPCS)
        answered = sum(await asyncio.gather(*talking), Counter[str | None]())
        assert home.stage.generating == 0
        await home.stage.jobs.close()
        await home.stage.router._background.close()
        await check_engine(local)
    return answered


async def check_engine(local: LlamaBackend) -> None:
    """Nothing is under way in the worker, and what it holds are prompts that are kept on purpose."""
    supervisor = local._supervisor
    async with asyncio.timeout(LOAD_S):
        while supervisor._jobs:  # noqa: ASYNC110  # no event tells when the worker has answered for the last one
            await asyncio.sleep(0.01)
        with supervisor.job({"op": "stats"}) as answers:
            stats = await anext(answers)
    assert stats["jobs"] == 0
    assert stats["sequences"] == stats["states"]["context"]["count"]
