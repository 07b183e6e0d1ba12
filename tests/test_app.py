"""The whole server, put together and taken apart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.app import Barkeep
from server.config import AuthoredRoute, DialogueSettings, MemorySettings, ModSettings, ServerSettings, Settings
from server.errors import ModelFileError

HANGING = """
import asyncio
from server.plugins import Mod

class Code(Mod):
    async def start(self, host):
        async def wait():
            await asyncio.sleep(3600)
        host.spawn(wait(), "wait")
        (host.folder / "began").touch()
        await asyncio.sleep(3600)
"""


async def test_a_start_that_is_stopped_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "mods" / "hanging"
    folder.mkdir(parents=True)
    manifest = 'name: hanging\nversion: "1"\nsummary: a test\nentry: code:Code\n'
    (folder / "mod.yaml").write_text(manifest, encoding="utf-8")
    (folder / "code.py").write_text(HANGING, encoding="utf-8")
    settings = Settings(
        data_dir=tmp_path / "data",
        personas=(),
        server=ServerSettings(port=0),
        mods=ModSettings(folders=(tmp_path / "mods",), enabled=("hanging",)),
        routes={"authored": AuthoredRoute(kind="authored")},
        dialogue=DialogueSettings(order=("authored",)),
    )
    starting = asyncio.create_task(Barkeep.start(settings))
    async with asyncio.timeout(10):
        while not (folder / "began").exists():  # noqa: ASYNC110 - the mod has no way to our events
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"


async def test_embeddings_that_are_not_there_stop_the_start_with_a_hint(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", memory=MemorySettings(embeddings=tmp_path / "nowhere"))
    with pytest.raises(ModelFileError) as caught:
        await Barkeep.start(settings)
    assert "memory.embeddings" in caught.value.hint
    assert asyncio.all_tasks() == {asyncio.current_task()}
