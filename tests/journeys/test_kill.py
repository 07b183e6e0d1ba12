"""kill -9 at random moments of a long talk: what was answered is there, once and whole."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.program import Player, Program, config, player, program
from tests.support.rig import turns

TURNS = turns(24)
KILL_EVERY = 8
"""Turns to a kill, on average."""
NPC = "hilda"


class Ledger:
    """What the server has acknowledged, by the client's ids: nothing of it may be lost, or be there twice."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        """Turn by line."""
        self.ended: dict[str, str] = {}
        """What was heard, by turn."""
        self.saves: set[str] = set()


async def talk(one: Player, ledger: Ledger, lines: list[str], killer: Killer) -> None:
    """Say the lines one after another; one that was not answered before the server died is said again."""
    committed = one.seen[0].get("last_id")
    while lines:
        line = lines[0]
        killer.began()
        answer = await one.ask("say", id=line, text=f"Of {line}: any rooms left?", to=NPC)
        [turn] = [each["turn"] for each in answer["turns"]]
        assert ledger.said.setdefault(line, turn) == turn, "a repeated line got another turn"
        if committed not in (line, f"{line}-save"):  # a turn that a dead server began ended with it
            ledger.ended[turn] = (await one.until("turn.end", turn=turn))["heard"]
        await one.ask("save", id=f"{line}-save", save=f"after {line}")
        ledger.saves.add(f"after {line}")
        lines.pop(0)


class Killer:
    """Kills a server at a random moment of a turn that is not too far away."""

    def __init__(self, running: Program, chance: random.Random) -> None:
        self._running = running
        self._left = chance.randrange(1, 2 * KILL_EVERY)
        self._delay_s = chance.uniform(0.0, 0.02)

    def began(self) -> None:
        """A turn begins."""
        self._left -= 1
        if self._left == 0:
            asyncio.get_running_loop().call_later(self._delay_s, self._running.process.kill)


def check(path: Path, ledger: Ledger, *, dead: bool) -> None:
    """Hold the file against the ledger; a turn may be open only in the file that a `dead` server left."""
    with closing(sqlite3.connect(path)) as database:
        rows: Any = database.execute
        assert rows("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert rows("PRAGMA foreign_key_check").fetchall() == []
        events = rows("SELECT text, count(*) FROM events WHERE kind = 'say' GROUP BY text").fetchall()
        assert [text for text, count in events if count > 1] == []
        said = {text.split(":")[0].removeprefix("Of ") for text, _ in events}
        assert ledger.said.keys() - said == set()
        half = rows(
            """SELECT t.turn FROM turns AS t LEFT JOIN events AS e ON e.turn = t.turn
               WHERE (t.heard <> '') <> (e.seq IS NOT NULL) OR t.heard <> coalesce(e.text, '')"""
        ).fetchall()
        assert half == []
        [(still_open,)] = rows("SELECT count(*) FROM turns WHERE state = 'open'")
        assert still_open <= dead
        kept = dict(rows("SELECT 't' || turn, heard FROM turns").fetchall())
        assert {turn: kept.get(turn) for turn in ledger.ended} == ledger.ended
        assert len(kept) == len(said), "every line has one turn"
        assert ledger.saves <= {save for (save,) in rows("SELECT save FROM marks")}


@pytest.mark.timeout(60 + 2 * TURNS)
async def test_a_server_that_is_killed_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(TURNS)
    settings = config(tmp_path, {"authored": {"kind": "authored"}})
    settings["server"]["limits"] = {"messages_per_second": 1_000}
    ledger = Ledger()
    lines = [f"line{number}" for number in range(TURNS)]
    resume: dict[str, Any] = {}
    deaths = 0
    while lines:
        async with program(tmp_path, settings) as running:
            try:
                async with player(running, **resume) as one:
                    resume = {"resume": {"session": one.seen[0]["session"], "seq": 1}}
                    await one.ask("scene", present=[{"npc": NPC}])
                    await talk(one, ledger, lines, Killer(running, chance))
            except (ConnectionClosed, OSError):
                deaths += 1
                await running.kill()
                check(tmp_path / "data" / "memory.db", ledger, dead=True)
    assert deaths > 0
    async with program(tmp_path, settings):
        check(tmp_path / "data" / "memory.db", ledger, dead=False)
    assert len(ledger.said) == TURNS
