"""A clean machine speaks: the model that ships answers from a persona's file, and says what it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.program import ROOT, Player, config, player, program

pytestmark = pytest.mark.engine
HILDA = (ROOT / "personas" / "hilda.yaml").read_text(encoding="utf-8")
PATIENCE_MS = 30_000


def shipped(folder: Path, hilda: str = HILDA) -> dict[str, Any]:
    """The configuration that ships, with this Hilda; the likeliest is said, so that a test always hears the same."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    personas = folder / "personas"
    personas.mkdir()
    (personas / "hilda.yaml").write_text(hilda, encoding="utf-8")
    settings["routes"]["house"]["temperature"] = 0
    settings["dialogue"] |= {"first_text_ms": PATIENCE_MS, "authored_after_ms": PATIENCE_MS, "turn_ms": 2 * PATIENCE_MS}
    return config(folder, settings["routes"], dialogue=settings["dialogue"]) | {"personas": [str(personas)]}


async def said(one: Player, text: str) -> dict[str, Any]:
    """Hilda's answer, as `turn.end` tells it."""
    answer = await one.ask("say", text=text, to="hilda")
    return await one.until("turn.end", turn=answer["turns"][0]["turn"])


async def test_the_model_that_ships_answers_and_says_what_it_is(tmp_path: Path) -> None:
    async with program(tmp_path, shipped(tmp_path)) as running:
        await running.until_ready("house")
        routes = {route["name"]: route for route in (await running.get("/health"))["routes"]}
        assert list(routes) == ["local", "openrouter", "house", "authored"]
        assert "for trying things out; `barkeep model pull`" in routes["house"]["hint"]
        async with player(running) as one:
            told = {route["name"]: route["hint"] for route in one.seen[0]["routes"]}
            assert told["house"] == routes["house"]["hint"]
            await one.ask("scene", present=[{"npc": "hilda"}])
            end = await said(one, "Any rooms left?")
        assert (end["route"]["name"], end["degraded"], end["reason"]) == ("house", True, "done")


@pytest.mark.parametrize("price", ["seven", "nineteen", "forty-two"])
async def test_the_price_in_the_file_is_the_price_that_is_told(tmp_path: Path, price: str) -> None:
    hilda = HILDA.replace("seven pennies", f"{price} pennies")
    async with program(tmp_path, shipped(tmp_path, hilda)) as running:
        await running.until_ready("house")
        async with player(running) as one:
            await one.ask("scene", present=[{"npc": "hilda"}])
            end = await said(one, "Any rooms left?")
    assert end["route"]["name"] == "house"
    assert re.search(rf"\b{price}\b", end["text"]), end["text"]
