"""Mods load, each in a failure domain of its own, and the shipped one does what its page says."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.dialogue.door import Door
from server.plugins.hooks import Happening, Heard
from server.plugins.mods import MAX_FAILURES, Mods
from server.protocol import messages as m
from tests.support.routes import Route
from tests.support.stage import House, house

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "mods"
OWN = ROOT / "tests" / "support" / "mods"

MANIFEST = 'name: {name}\nversion: "1"\nsummary: a test\nentry: code:Code\n'


def write_mod(folder: Path, name: str, code: str, manifest: str = MANIFEST) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "mod.yaml").write_text(manifest.format(name=name), encoding="utf-8")
    (folder / name / "code.py").write_text(code, encoding="utf-8")


async def start(mods: Mods, home: House) -> None:
    async def open_session(hello: m.Hello) -> Door:
        return Door(await home.sessions.open(hello))

    await mods.start(open_session)


@pytest.mark.parametrize(
    ("code", "manifest", "said"),
    [
        ("class Code(: pass", MANIFEST, "SyntaxError"),
        ("raise RuntimeError('at import')", MANIFEST, "at import"),
        ("class Code: pass", MANIFEST, "server.plugins.Mod"),
        ("", MANIFEST, "Code"),
        ("", MANIFEST + "entri: x\n", "entri"),
        ("", "name: other\nversion: '1'\nsummary: s\nentry: code:Code\n", "other"),
        ("", "name: [\n", "mod.yaml"),
    ],
)
def test_a_broken_mod_is_reported_and_the_others_load(tmp_path: Path, code: str, manifest: str, said: str) -> None:
    write_mod(tmp_path, "broken", code, manifest)
    mods = Mods.load([tmp_path, SHIPPED], ["broken", "tavern"])
    assert mods.names == ["tavern"]
    assert len(mods.problems) == 1
    assert said in mods.problems[0].message + mods.problems[0].hint


def test_a_misspelt_mod_gets_the_nearest_name() -> None:
    mods = Mods.load([SHIPPED], ["tavren"])
    assert "tavern" in mods.problems[0].hint


async def test_a_mod_that_cannot_start_is_left_out(tmp_path: Path) -> None:
    write_mod(
        tmp_path,
        "late",
        "from server.plugins import Mod\n"
        "class Code(Mod):\n"
        "    async def start(self, host):\n"
        "        raise OSError('no door')\n",
    )
    mods = Mods.load([tmp_path, SHIPPED], ["late", "tavern"])
    async with house(tmp_path / "house_", Route("local", "Yes."), mods=mods) as home:
        await start(mods, home)
        assert mods.names == ["tavern"]
        assert "no door" in mods.problems[0].message
        await mods.stop()


async def test_a_hook_that_fails_is_skipped_and_given_up_after_a_few_times(tmp_path: Path) -> None:
    write_mod(
        tmp_path,
        "moody",
        "from server.plugins import Mod\nclass Code(Mod):\n    def on_say(self, heard):\n        raise KeyError('x')\n",
    )
    mods = Mods.load([tmp_path, SHIPPED], ["moody", "tavern"])
    heard = Heard("w", "hilda", "player", "A beer, please.")
    for _ in range(MAX_FAILURES + 3):
        assert [call.name for call in mods.on_say(heard)] == ["serve"]
    failures = [problem for problem in mods.problems if "moody" in problem.message]
    assert len(failures) == MAX_FAILURES + 1


async def test_a_task_of_a_mod_that_fails_is_reported_and_nothing_else_stops(tmp_path: Path) -> None:
    write_mod(
        tmp_path,
        "tasky",
        "from server.plugins import Mod\n"
        "class Code(Mod):\n"
        "    async def start(self, host):\n"
        "        async def work():\n"
        "            raise ValueError('in the task')\n"
        "        host.spawn(work(), 'work')\n",
    )
    mods = Mods.load([tmp_path], ["tasky"])
    async with house(tmp_path / "house_", Route("local", "Yes."), mods=mods) as home:
        await start(mods, home)
        await asyncio.sleep(0)
        await mods.stop()
        assert any("in the task" in problem.message for problem in mods.problems)


@pytest.fixture
async def tavern(tmp_path: Path) -> AsyncIterator[House]:
    mods = Mods.load([SHIPPED], ["tavern"])
    assert mods.problems == []
    async with house(tmp_path, Route("local", "There you are."), mods=mods) as home:
        await start(mods, home)
        yield home
        await mods.stop()


async def test_the_tavern_serves_what_is_ordered_and_learns_how_it_went(tavern: House) -> None:
    client = await tavern.enter("hilda", "ansel")
    await client.ask(m.Say(id="s", text="A beer, please.", to="hilda"))
    action = await client.next(m.Action)
    await client.next(m.TurnEnd)
    assert (action.name, action.args) == ("serve", {"what": "beer", "pennies": 1})
    answer = await client.ask(m.Result(id="r", turn=action.turn, action=0, ok=False, text="the guest could not pay"))
    assert isinstance(answer, m.Ok)
    memories = await client.ask(m.Recall(id="m", npc="hilda"))
    assert isinstance(memories, m.Memories)
    assert any("could not pay" in memory.text for memory in memories.memories)
    unknown = await client.ask(m.Result(id="r2", turn=action.turn, action=7, ok=True))
    assert isinstance(unknown, m.Error)
    assert unknown.code == "unknown_action"


async def test_a_broken_mug_makes_the_innkeeper_speak_only_where_she_sees_it(tavern: House) -> None:
    client = await tavern.enter("hilda", "ansel")
    unseen = await client.ask(m.Event(id="e1", kind="mug.broken", text="A mug breaks.", witnesses=["ansel"]))
    assert isinstance(unseen, m.Ok)
    assert unseen.turns is None
    seen = await client.ask(m.Event(id="e2", kind="mug.broken", text="A mug breaks."))
    assert isinstance(seen, m.Ok)
    assert seen.turns is not None
    assert (await client.next(m.TurnEnd)).npc == "hilda"


def test_lore_of_the_tavern_is_gated_by_what_a_persona_knows() -> None:
    mods = Mods.load([SHIPPED], ["tavern"])
    mods.collect()
    gated = {entry.id for entry in mods.lore if entry.who}
    assert gated == {"cellar_mark"}
    assert list(mods.on_event(Happening("w", "door.opened", "x", "", "", ("hilda",)))) == []


async def test_a_mod_with_a_door_of_its_own_plays_through_its_dialect(tmp_path: Path) -> None:
    shutil.copytree(OWN / "linedoor", tmp_path / "mods" / "linedoor")
    mods = Mods.load([tmp_path / "mods"], ["linedoor"])
    async with house(tmp_path / "house_", Route("local", "Two rooms are left. Both are dry."), mods=mods) as home:
        await start(mods, home)
        port = int((tmp_path / "mods" / "linedoor" / "port.txt").read_text(encoding="utf-8"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hilda\tAny rooms left?\nhilda\t" + b"x" * 2_500 + b"\n")
        async with asyncio.timeout(10):
            answer = [await reader.readline() for _ in range(3)]
            refused = [await reader.readline() for _ in range(2)]
        writer.close()
        await writer.wait_closed()
        assert answer == [b"hilda\tTwo rooms are left.\n", b"hilda\tBoth are dry.\n", b".\n"]
        assert refused[0].startswith(b"!\t")
        await mods.stop()
