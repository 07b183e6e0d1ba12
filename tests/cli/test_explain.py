from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.cli import main
from server.memory.turns import KeptTurn
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import house, say

CONFIG = "routes: {authored: {kind: authored}}\ndialogue: {order: [authored]}\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return str(path)


async def _a_talk(tmp_path: Path, lines: int = 1) -> list[str]:
    async with house(tmp_path, Route("local", "Two rooms are left.")) as home:
        client = await home.enter("hilda")
        for number in range(lines):
            await client.ask(say(f"Any rooms left, number {number}?", id=f"s{number}"))
            await client.next(m.TurnEnd)
        await home.stage.jobs.idle()
        return [end.turn for end in client.all(m.TurnEnd)]


async def test_a_turn_is_told_in_tables(tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]) -> None:
    [turn] = await _a_talk(tmp_path)
    assert main(["explain", "--config", config, turn]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{turn}: hilda in the world default, done\n")
    assert "asked:  Any rooms left, number 0?" in told
    assert "heard:  Two rooms are left." in told
    rows = [line.split() for line in told.splitlines()]
    assert any(row[:1] == ["persona"] and int(row[1]) > 0 for row in rows if len(row) > 1)
    assert any(row[:2] == ["local", "ok"] and row[-1] == "answered" for row in rows)
    assert any(row[-1:] == ["memory"] and float(row[0]) >= 0 for row in rows if row[:1] != ["recalled"])


async def test_last_is_the_newest_turn_and_json_is_the_trace(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = await _a_talk(tmp_path, 3)
    assert main(["explain", "--config", config, "last", "--json"]) == 0
    trace = json.loads(capsys.readouterr().out)
    assert trace["turn"] == turns[-1]
    assert trace["recalled"] == []
    assert {block["name"] for block in trace["blocks"]} >= {"rules", "persona", "line", "history"}


@pytest.mark.parametrize("turn", ["t999", "nonsense"])
async def test_a_turn_that_is_not_there_is_told_in_words(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str], turn: str
) -> None:
    await _a_talk(tmp_path)
    assert main(["explain", "--config", config, turn]) == 1
    assert turn in capsys.readouterr().err


def test_a_memory_says_why_it_came_up_and_a_turn_that_never_ended_says_so() -> None:
    from server.cli.explain import explained

    memory = {"event": 7, "text": "The key is hidden.", "score": 1.5, "hop": 2, "fact": True, "in_prompt": True}
    trace = {
        "blocks": [{"name": "events", "tokens": 12, "dropped": 30, "why": "time"}],
        "tokens": {"prompt": 50, "evaluated": 12, "reply": 3},
        "recalled": [{**memory, "why": {"words": 1.2, "recent": 0.3}}],
        "route": {"name": None, "attempts": []},
        "ms": {"queue": 0.5, "recall": None},
    }
    told = explained(KeptTurn("t1", "default", "hilda", "failed", "", "", trace))
    assert "no more could be read before the deadline" in told
    assert "words 1.20, recent 0.30, by way of another memory" in told
    assert "No route was asked." in told
    bare = KeptTurn("t2", "default", "hilda", "failed", "Hello?", "", {})
    assert "Nothing else is known" in explained(bare)
