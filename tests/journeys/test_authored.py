"""A machine without a model and without a key still answers, and says how to get more."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import yaml

from tests.support.program import ROOT, config, player, program

PATIENCE_S = 60.0


def shipped_routes(folder: Path) -> dict[str, object]:
    """The configuration that ships, without the model that ships: nobody is left but the authors."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    settings["routes"].pop("house")
    settings["dialogue"]["order"].remove("house")
    return config(folder, settings["routes"], dialogue=settings["dialogue"])


async def talk(folder: Path, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run `talk` as a user does; returns exit code, standard output and standard error."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(shipped_routes(folder)), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "--config", str(path), "--set", "server.port=1", "talk", *words,
        cwd=ROOT, env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_one_line_is_answered_by_authored_lines_and_the_way_to_a_model_is_told(tmp_path: Path) -> None:
    code, out, err = await talk(tmp_path, "hilda", "Any rooms left?")
    assert code == 0, err
    assert re.search(r"\b(bed|room|pallet|Heron)", out), out
    assert "model pull" in err
    assert "Traceback" not in err


async def test_a_conversation_in_the_terminal_goes_on_until_the_input_ends(tmp_path: Path) -> None:
    code, out, err = await talk(tmp_path, "hilda", stdin=b"Any rooms left?\nAnd a beer.\n")
    assert code == 0, err
    assert re.search(r"\b(bed|room|pallet|Heron)", out), out
    assert out.count("\n") >= 2


async def test_a_misspelt_npc_gets_the_nearest_name(tmp_path: Path) -> None:
    code, _, err = await talk(tmp_path, "hlida", "Hello?")
    assert code == 1
    assert "hilda" in err
    assert "Traceback" not in err


async def test_the_server_says_which_routes_can_answer_and_why_others_cannot(tmp_path: Path) -> None:
    async with program(tmp_path, shipped_routes(tmp_path)) as running, player(running) as one:
        opening = "".join(running.said)
        assert "local" in opening
        assert "model pull" in opening
        assert "authored is ready" in opening
        routes = {route["name"]: route for route in one.seen[0]["routes"]}
        assert routes["local"]["state"] == "off"
        assert routes["authored"]["state"] == "ready"
        await one.ask("scene", present=[{"npc": "hilda"}])
        answer = await one.ask("say", text="Any rooms left?", to="hilda")
        end = await one.until("turn.end", turn=answer["turns"][0]["turn"])
        assert (end["route"]["name"], end["degraded"], end["reason"]) == ("authored", True, "done")


async def test_a_second_server_on_the_same_data_says_who_holds_it(tmp_path: Path) -> None:
    async with program(tmp_path, shipped_routes(tmp_path)) as running:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "--config", str(tmp_path / "config.yaml"), "serve",
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            _, err = await process.communicate()
        assert process.returncode == 1
        assert str(running.process.pid) in err.decode()
        assert "Traceback" not in err.decode()
