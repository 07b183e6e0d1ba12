"""docs/mods.md, followed step by step: its files are written, loaded and played, and what it says happens."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from server import plugins
from server.cli import main
from server.config import Settings
from server.dialogue.door import Door
from server.plugins import hooks
from server.plugins.mods import MAX_FAILURES, START_S, STOP_S, Mods
from server.protocol import messages as m
from server.protocol.codec import Form, encode
from tests.docs import pages
from tests.support.routes import Route
from tests.support.stage import Client, House, house

PAGE = pages.read("docs/mods.md")
STEPS = PAGE.split("\n## ")
WEATHER = "mods/weather/weather.py"


def written(folder: Path, last_step: int) -> Path:
    """The files of the page up to and with this step, in `folder`; returns the folder of mods."""
    for step in range(1, last_step + 1):
        for block in pages.blocks(STEPS[step]):
            if block.title and "part" not in block.attributes:
                write(folder / block.title, block)
    return folder / "mods"


def write(path: Path, block: pages.Block) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if "at" in block.attributes else ""
    match block.attributes.get("at"):
        case "top":
            title, _, rest = before.partition("\n")
            text = f"{title}\n\n{block.text}{rest}"
        case "end":
            text = before + block.text
        case _:
            text = block.text
    path.write_text(text, encoding="utf-8")


@asynccontextmanager
async def playing(tmp_path: Path, step: int) -> AsyncIterator[tuple[House, Mods]]:
    """A house with the mod as it is after this step; the people of the town, and a model that says one line."""
    folder = written(tmp_path, step)
    mods = Mods.load([folder], ["weather"])
    assert mods.problems == []
    people = (("ansel", "Ansel Rook"), ("berrin", "Berrin Stoke"))
    async with house(tmp_path / "house", Route("local", "Rain by noon."), mods=mods, personas=people) as home:
        for persona, knows in (("ansel", ["river"]), ("berrin", ["forge"])):
            path = tmp_path / "house" / "personas" / f"{persona}.yaml"
            path.write_text(path.read_text(encoding="utf-8") + f"knows: {knows}\n", encoding="utf-8")
        home.stage.library.load()

        async def open_session(hello: m.Hello) -> Door:
            return Door(await home.sessions.open(hello))

        for mod in mods._mods.values():
            if hasattr(mod.mod, "port"):
                mod.mod.port = 0
        await mods.start(open_session)
        assert mods.problems == []
        yield home, mods
        await mods.stop()
        assert mods.problems == []


def example(text: str, kind: str) -> dict[str, Any]:
    """The page's own JSON message of this type."""
    found = [json.loads(block.text) for block in pages.blocks(text, "json")]
    (message,) = (each for each in found if each["type"] == kind)
    return dict(message)


def on_the_wire(message: m.ServerMessage) -> dict[str, Any]:
    return dict(json.loads(encode(message, Form.JSON)))


async def say(client: Client, npc: str, text: str) -> m.TurnEnd:
    await client.session.handle(m.Say(text=text, to=npc))
    return await client.next(m.TurnEnd)


def lore_tokens(end: m.TurnEnd) -> int:
    return sum(block.tokens for block in end.blocks if block.name == "lore")


def test_step_1_an_empty_mod_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, 1)
    shutil.copytree(pages.ROOT / "mods" / "tavern", tmp_path / "mods" / "tavern")
    (part,) = pages.blocks(STEPS[1], title="config.yaml")
    config = {**yaml.safe_load(part.text), "personas": [str(pages.ROOT / "personas")]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["check", "--config", str(tmp_path / "config.yaml")]) == 0
    (said,) = pages.blocks(STEPS[1], "text")
    assert capsys.readouterr().err == said.text


async def test_step_2_a_fact_comes_up_for_those_who_may_know_it(tmp_path: Path) -> None:
    async with playing(tmp_path, 2) as (home, mods):
        assert {entry.id: entry.who for entry in mods.lore} == {"fog_lanterns": (), "storm_eels": ("river",)}
        client = await home.enter("ansel", "berrin")
        assert lore_tokens(await say(client, "ansel", "Will there be a storm?")) > 0
        assert lore_tokens(await say(client, "berrin", "Will there be a storm?")) == 0
        assert lore_tokens(await say(client, "berrin", "What a FOG!")) > 0
        assert lore_tokens(await say(client, "ansel", "Foggy, is it?")) == 0


async def test_step_3_an_action_comes_before_the_first_line_and_its_result_is_remembered(tmp_path: Path) -> None:
    async with playing(tmp_path, 3) as (home, _):
        client = await home.enter("ansel", "berrin")
        await say(client, "berrin", "Ring the bell!")
        assert client.all(m.Action) == []
        await client.ask(m.Say(id="2", text="Ring the bell!", to="ansel"))
        await client.next(m.TurnEnd, npc="ansel")
        (action,) = client.all(m.Action)
        line = next(line for line in client.all(m.Line) if line.npc == "ansel")
        assert action.seq < line.seq
        shown = example(STEPS[3], "action")
        assert {**on_the_wire(action), "seq": shown["seq"], "turn": shown["turn"]} == shown
        result = {**example(STEPS[3], "result"), "turn": action.turn}
        assert isinstance(await client.ask(m.Result.model_validate(result)), m.Ok)
        memories = await client.ask(m.Recall(id="5", npc="ansel", query="strokes"))
        assert isinstance(memories, m.Memories)
        assert any(result["text"] in memory.text for memory in memories.memories)


async def test_step_3_a_call_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    async with playing(tmp_path, 3) as (home, mods):
        mods._mods["weather"].mod.on_say = lambda heard: [  # type: ignore[method-assign]  # a mod that gets it wrong
            hooks.ActionCall("ring_bell", {"strokes": 13}),
            hooks.ActionCall("ring_bel", {"strokes": 3}),
        ]
        client = await home.enter("ansel")
        assert (await say(client, "ansel", "Ring the bell!")).reason == "done"
        assert client.all(m.Action) == []


async def test_step_4_a_witness_speaks_up(tmp_path: Path) -> None:
    async with playing(tmp_path, 4) as (home, _):
        client = await home.enter("ansel", "berrin")
        event = example(STEPS[4], "event")
        answer = on_the_wire(await client.ask(m.Event.model_validate(event)))
        shown = example(STEPS[4], "ok")
        assert answer["turns"][0]["npc"] == shown["turns"][0]["npc"] == "ansel"
        assert answer.keys() == shown.keys()
        assert (await client.next(m.TurnEnd)).heard == "Rain by noon."
        silent = await client.ask(m.Event.model_validate({**event, "id": "5", "witnesses": ["berrin"]}))
        assert isinstance(silent, m.Ok)
        assert silent.turns is None
        memories = await client.ask(m.Recall(id="6", npc="berrin", query="thunder"))
        assert isinstance(memories, m.Memories)
        assert [memory.kind for memory in memories.memories].count("weather.storm") == 2
        everyone = await client.ask(m.Event.model_validate({**event, "id": "7", "witnesses": None}))
        assert isinstance(everyone, m.Ok)
        assert [turn.npc for turn in everyone.turns or ()] == ["ansel"]


async def test_step_5_moods_are_collected(tmp_path: Path) -> None:
    async with playing(tmp_path, 5) as (_, mods):
        assert mods.moods == ("calm", "uneasy")


async def test_step_6_the_door_answers_in_its_own_dialect(tmp_path: Path) -> None:
    async with playing(tmp_path, 6) as (home, mods):
        port = mods._mods["weather"].mod.door.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # the page's
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"ansel Will it rain?\nnobody Hello\n")
            assert await reader.readline() == b"ansel Rain by noon.\n"
            assert await reader.readline() == b".\n"
            assert (await reader.readline()).startswith(b"! ")
            assert await reader.readline() == b".\n"
            for wrong in (b"x" * 5_000 + b"\n", b"\xff\n", b"ansel\n", b"A B\n"):
                answer, bad = await asyncio.open_connection("127.0.0.1", port)
                bad.write(wrong)
                assert await answer.read() == b""
                bad.close()
            writer.write(b"ansel And tomorrow?\n")
            assert await reader.readline() == b"ansel Rain by noon.\n"
            writer.close()
        assert len(home.sessions) == 5


async def test_step_7_a_persona_comes_with_the_mod(tmp_path: Path) -> None:
    folder = written(tmp_path, 7)
    (personas,) = Mods.load([folder], ["weather"]).persona_folders
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"mods": {"folders": ["mods"], "enabled": ["weather"]}, "personas": []}), encoding="utf-8"
    )
    assert [path.name for path in personas.iterdir()] == ["tilda.yaml"]
    assert main(["check", "--config", str(tmp_path / "config.yaml")]) == 0


def table(heading: str) -> dict[str, str]:
    """The first two columns of the tables under a heading, without backticks."""
    section = next(step for step in STEPS if step.startswith(heading))
    rows = (line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `"))
    return {row[0].strip("`").split("(")[0]: row[1].replace("`", "") for row in rows}


def test_the_tables_have_every_hook_and_every_field() -> None:
    rows = table("Every hook")
    own = {name for name, value in vars(hooks.Mod).items() if callable(value) and not name.startswith("_")}
    things = {
        **{each.__name__: ", ".join(field.name for field in dataclasses.fields(each)) for each in DATA},
        "Host": "folder, open_session, spawn",
        "ModSession": "id, send, messages, close",
    }
    assert rows.keys() == own | things.keys()
    assert {name: rows[name] for name in things} == things
    for protocol in (hooks.Host, hooks.ModSession):
        public = {name for name in vars(protocol) if not name.startswith("_")}
        assert set(rows[protocol.__name__].split(", ")) == public


DATA: tuple[type[Any], ...] = (
    hooks.Happening,
    hooks.Heard,
    hooks.Lore,
    hooks.ActionKind,
    hooks.ActionCall,
    hooks.Reaction,
    hooks.TimeJump,
    hooks.Rewind,
    plugins.Impression,
    plugins.Effect,
)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{START_S:.0f} s at most" in pages.flat(PAGE)
    assert f"{STOP_S:.0f} s at most" in pages.flat(PAGE)
    assert f"longer than {START_S:.0f} s" in pages.flat(PAGE)
    assert f"After {MAX_FAILURES} failures" in pages.flat(PAGE)
    assert Settings().mods.enabled == ("tavern",)


def test_a_second_python_file_is_imported_with_a_dot(tmp_path: Path) -> None:
    folder = written(tmp_path, 1)
    (folder / "weather" / "other.py").write_text("X = 1\n", encoding="utf-8")
    path = folder / "weather" / "weather.py"
    path.write_text("from .other import X\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    mods = Mods.load([folder], ["weather"])
    assert mods.names == ["weather"], mods.problems
