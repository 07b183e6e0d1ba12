"""docs/operations.md says what the server has and does."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from server import config_file
from server.backends.llama.catalogue import KNOWN_MODELS
from server.backends.llama.store import _USABLE_MEMORY, _WORK_BYTES, CACHE_BYTES_PER_TOKEN
from server.cli.defaults import user_data_dir
from server.config import LlamaRoute
from server.gateway.guard import is_loopback
from server.gateway.health import HealthReport, health_body
from server.gateway.metrics import Metrics
from server.protocol.messages import RouteInfo
from tests.docs import pages
from tests.support.program import config, player, program

PAGE = pages.read("docs/operations.md")


def rows(heading: str) -> list[str]:
    """The names in the first column of the tables of a section."""
    (section,) = (part for part in PAGE.split("\n## ") if part.startswith(heading))
    return [name for line in section.splitlines() if line.startswith("| `") for name in pages.spans(line.split("|")[1])]


async def test_the_data_folder_holds_what_the_table_says(tmp_path: Path) -> None:
    async with program(tmp_path, config(tmp_path, {"authored": {"kind": "authored"}})) as running:
        async with player(running) as one:
            await one.ask("scene", present=[{"npc": "hilda"}])
            answer = await one.ask("say", text="Any rooms left?", to="hilda")
            await one.until("turn.end", turn=answer["turns"][0]["turn"])
        found = {path.name for path in (tmp_path / "data").iterdir()}
        back_up(tmp_path)
    assert found <= set(rows("Where data lies"))
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert ("Any rooms left?",) in copy.execute("SELECT text FROM events").fetchall()


def back_up(folder: Path) -> None:
    """Run the page's own program on a database that is in use."""
    (block,) = pages.blocks(PAGE, title="backup.py")
    (folder / "backup.py").write_text(block.text, encoding="utf-8")
    command = [sys.executable, "backup.py", str(folder / "data" / "memory.db"), "copy.db"]
    subprocess.run(command, cwd=folder, check=True, timeout=30)


def test_the_settings_for_other_machines_are_settings(tmp_path: Path) -> None:
    (part,) = pages.blocks(PAGE, title="config.yaml")
    (tmp_path / "config.yaml").write_text(part.text, encoding="utf-8")
    settings = config_file.load(tmp_path / "config.yaml", {"BARKEEP_TOKEN": "t" * 32}, []).server
    assert not is_loopback(settings.host)
    assert settings.token is not None
    assert settings.token.get_secret_value() == "t" * 32


def test_the_health_example_has_what_health_has() -> None:
    (block,) = (each for each in pages.blocks(PAGE, "json") if "health" in each.attributes)
    example = json.loads(block.text)
    routes = [RouteInfo(**route) for route in example["routes"]]
    body = health_body(HealthReport(routes, example["running"], example["sessions"]), "0.1.0", 12.4)
    assert example.keys() == body.keys()
    assert [each.keys() for each in example["routes"]] == [each.keys() for each in body["routes"]]
    assert body["status"] == "starting"


def test_every_metric_is_on_the_page() -> None:
    there = [metric.name + ("_total" if metric.type == "counter" else "") for metric in Metrics().registry.collect()]
    assert sorted(rows("Health and metrics")) == sorted(there)


def test_the_memory_that_the_default_model_needs() -> None:
    route = LlamaRoute(kind="llama")
    (known,) = (model for model in KNOWN_MODELS if model.file == route.file)
    page = pages.flat(PAGE)
    needed = known.size_bytes + route.context * CACHE_BYTES_PER_TOKEN + _WORK_BYTES
    assert f"{route.context:,} tokens: {needed / 1e9:.1f} GB" in page
    assert f"{CACHE_BYTES_PER_TOKEN // 1024} KiB for each token" in page
    assert f"{_WORK_BYTES / 1e6:.0f} MB" in page
    assert f"{100 * (1 - _USABLE_MEMORY):.0f} % of the machine" in page


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_where_an_installed_one_keeps_its_data(platform: str) -> None:
    (paragraph,) = re.findall(r"An installed Barkeep.*?\n\n", PAGE, re.DOTALL)
    path = user_data_dir({"LOCALAPPDATA": "%LOCALAPPDATA%"}, platform=platform)
    shown = str(path).replace(str(Path.home()), "~").replace("%/", "%\\")
    assert f"`{shown}`" in paragraph
