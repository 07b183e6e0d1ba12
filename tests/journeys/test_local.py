"""The whole way with a real model file: process, websocket, prompt, llama.cpp, memory, restart.

Text of random weights is noise; what is asserted is structure, budget, counts, route and memory.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Player, Program, config, player, program
from tests.support.tiny_gguf import write_tiny_lfm2

pytestmark = pytest.mark.engine

PROMPT_TOKENS = 4_096
TRIES = 8
"""Random weights now and then say nothing that can be spoken; a turn that fails so reports no counts."""


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "tiny.gguf"
    write_tiny_lfm2(path, context=8_192)
    return config(
        tmp_path,
        {"local": {"kind": "llama", "path": str(path), "context": 8_192, "threads": 1}},
        budget={"prompt_tokens": PROMPT_TOKENS, "reply_tokens": 24},
    )


async def converse(one: Player, words: str, **fields: Any) -> dict[str, Any]:
    """Say something and read on to the end of its turn."""
    answer = await one.ask("say", text=words, **fields)
    assert answer["turns"], answer
    return await one.until("turn.end", turn=answer["turns"][0]["turn"])


async def speech(one: Player, words: str, **fields: Any) -> dict[str, Any]:
    """Say something until a turn is spoken to its end."""
    for _ in range(TRIES):
        end = await converse(one, words, **fields)
        if end["reason"] == "done":
            return end
        assert end["route"]["attempts"][0]["outcome"] == "empty", end
    raise AssertionError(f"nothing that could be spoken in {TRIES} tries")


async def enter(running: Program, one: Player) -> None:
    await running.until_ready("local")
    await one.ask("scene", place="the taproom", present=[{"npc": "hilda"}, {"npc": "ansel"}])


async def test_a_player_speaks_and_the_local_model_answers(tmp_path: Path, tiny: dict[str, Any]) -> None:
    async with program(tmp_path, tiny) as running, player(running) as one:
        await enter(running, one)
        first = await speech(one, "Any rooms left?", to="hilda")
        kinds = [message["type"] for message in one.seen if message.get("turn") == first["turn"]]
        assert kinds[0] == "turn.start"
        assert kinds[-1] == "turn.end"
        assert kinds.count("turn.end") == 1
        assert [message["seq"] for message in one.seen] == list(range(1, len(one.seen) + 1))
        lines = [message["text"] for message in one.seen if message["type"] == "line"]
        assert lines
        assert "".join(first["heard"].split()) == "".join("".join(lines).split())
        assert first["route"]["name"] == "local"
        *noise, answered = first["route"]["attempts"]
        assert answered == {"route": "local", "outcome": "ok", "ms": answered["ms"]}
        assert all(attempt["outcome"] == "empty" for attempt in noise), "asked again where noise was nothing to say"
        tokens = first["tokens"]
        assert tokens["prompt"] == tokens["cached"] + tokens["evaluated"]
        assert tokens["prompt"] == sum(block["tokens"] for block in first["blocks"])
        assert 0 < tokens["prompt"] <= PROMPT_TOKENS
        assert 0 < tokens["reply"] <= 24
        assert {"rules", "persona", "line"} <= {block["name"] for block in first["blocks"]}

        later = await speech(one, "And breakfast?", to="hilda")
        blocks = {block["name"]: block["tokens"] for block in later["blocks"]}
        assert later["tokens"]["cached"] >= blocks["rules"] + blocks["persona"], "a known NPC is not read again"
        assert later["tokens"]["evaluated"] < first["tokens"]["prompt"] / 2


async def test_what_was_warmed_is_not_read_again(tmp_path: Path, tiny: dict[str, Any]) -> None:
    async with program(tmp_path, tiny) as running, player(running) as one:
        await enter(running, one)
        await one.ask("warm", npc="hilda", text="Any ro")
        await one.until("notice", code="warm")
        end = await speech(one, "Any rooms left?", to="hilda")
        blocks = {block["name"]: block["tokens"] for block in end["blocks"]}
        assert end["tokens"]["cached"] >= blocks["rules"] + blocks["persona"]
        assert end["tokens"]["evaluated"] < 200, "the line, its frame and the cue"


async def test_a_dropped_connection_is_resumed_without_a_gap(tmp_path: Path, tiny: dict[str, Any]) -> None:
    async with program(tmp_path, tiny) as running:
        async with player(running) as one:
            await enter(running, one)
            answer = await one.ask("say", text="Any rooms left?", to="hilda")
            session = one.seen[0]["session"]
        async with player(running, resume={"session": session, "seq": answer["seq"]}) as back:
            await back.until("turn.end", turn=answer["turns"][0]["turn"])
            welcome, *rest = back.seen
            assert welcome["resumed"] is True
            assert [message["seq"] for message in rest] == list(range(answer["seq"] + 1, answer["seq"] + 1 + len(rest)))


@pytest.mark.parametrize("cut", ["ctrl_c", "power_cut"])
async def test_a_restart_loses_nothing(tmp_path: Path, tiny: dict[str, Any], cut: str) -> None:
    async with program(tmp_path, tiny) as running:
        async with player(running) as one:
            await enter(running, one)
            end = await converse(one, "My name is Wren.", to="hilda", id="once")
            session = one.seen[0]["session"]
        if cut == "power_cut":
            await running.kill()
    async with program(tmp_path, tiny) as running, player(running, resume={"session": session, "seq": 1}) as back:
        assert (back.seen[0]["resumed"], back.seen[0]["last_id"]) == (False, "once")
        await enter(running, back)
        await back.send("recall", npc="hilda", query="name")
        memories = (await back.until("memories"))["memories"]
        assert any("My name is Wren." in memory["text"] for memory in memories)
        if end["heard"]:
            assert any(end["heard"] in memory["text"] for memory in memories)
        again = await back.ask("say", text="My name is Wren.", to="hilda", id="once")
        assert again["turns"] == [{"turn": end["turn"], "npc": "hilda"}], "answered again, not run again"


async def test_a_killed_worker_costs_one_route_not_the_server(tmp_path: Path, tiny: dict[str, Any]) -> None:
    tiny["routes"]["authored"] = {"kind": "authored"}
    tiny["dialogue"]["order"] = ["local", "authored"]
    async with program(tmp_path, tiny) as running, player(running) as one:
        await enter(running, one)
        await converse(one, "Any rooms left?", to="hilda")
        os.kill(worker_of(running), signal.SIGKILL)
        end = await converse(one, "And breakfast?", to="hilda")
        assert end["reason"] == "done"
        assert end["heard"]
        await running.until_ready("local", also=("down",))
        again = (await converse(one, "Good night.", to="hilda"))["route"]["attempts"][0]
        assert again["route"] == "local"
        assert again["outcome"] in ("ok", "empty"), "random weights may say nothing"


def worker_of(running: Program) -> int:
    """The process id of the server's only child, from /proc."""
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    assert len(children) == 1, children
    return int(children[0])


async def test_ctrl_c_ends_the_server_cleanly_in_the_middle_of_a_turn(tmp_path: Path, tiny: dict[str, Any]) -> None:
    async with program(tmp_path, tiny) as running, player(running) as one:
        await enter(running, one)
        await one.ask("say", text="Tell me everything.", to="hilda")
        worker = worker_of(running)
        assert await running.stop() == 0
        assert "Traceback" not in "".join(running.said)
        assert not os.path.exists(f"/proc/{worker}")  # noqa: ASYNC240  # /proc does not block
