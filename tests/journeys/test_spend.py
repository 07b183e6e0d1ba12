"""Money through the whole program: a limit that is reached, shown, and still there after a restart."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.support.fault_server import fault_server
from tests.support.program import ROOT, Player, Program, config, player, program


async def say(one: Player) -> dict[str, Any]:
    answer = await one.ask("say", text="Any rooms left?", to="hilda")
    return await one.until("turn.end", turn=answer["turns"][0]["turn"])


async def spend(folder: Path, *words: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "spend", "--json", *words, "--config", str(folder / "config.yaml")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found


async def state_of(running: Program, route: str) -> str:
    health = await running.get("/health")
    return str({each["name"]: each["state"] for each in health["routes"]}[route])


async def test_a_limit_is_reached_shown_and_kept_over_a_restart(tmp_path: Path) -> None:
    async with fault_server() as upstream:  # each answer costs 0.001 USD
        paid = {"kind": "openai", "base_url": upstream.url, "model": "m", "paid": True}
        routes = {"paid": paid, "authored": {"kind": "authored"}}
        settings = config(tmp_path, routes, spend={"usd_per_day": 0.0015})
        async with program(tmp_path, settings) as running, player(running) as one:
            await one.ask("scene", present=[{"npc": "hilda"}])
            ends = [await say(one) for _ in range(3)]
            assert [end["route"]["name"] for end in ends] == ["paid", "paid", "authored"]
            assert [end["cost_usd"] for end in ends] == [0.001, 0.001, None]
            assert [each["code"] for each in one.seen if each["type"] == "notice"].count("spend_limit") == 1
            shown = await spend(tmp_path, "--by", "npc")  # while the server runs
        (row,) = shown["rows"]
        assert (row["key"], row["calls"], row["cost_usd"], row["prompt_tokens"]) == ("hilda", 2, 0.002, 20)
        async with program(tmp_path, settings) as running:
            assert await state_of(running, "paid") == "off"
            today = (await running.get("/health"))["spend_today"]
            assert today == {"cost_usd": 0.002, "tokens": 24, "unpriced": 0, "limit_reached": True}
    assert len(upstream.requests) == 2
