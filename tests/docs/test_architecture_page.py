"""docs/architecture.md shows the rooms that there are, in the order that import-linter holds."""

from __future__ import annotations

import re
import tomllib

from tests.docs import pages

PAGE = pages.read("docs/architecture.md")


def test_the_layers_are_those_that_are_checked() -> None:
    project = tomllib.loads(pages.read("pyproject.toml"))
    (contract,) = (each for each in project["tool"]["importlinter"]["contracts"] if each["id"] == "layers")
    there = [re.sub(r" \| \(\w+\)", "", row).replace(" : ", ", ") for row in contract["layers"]]
    (shown,) = (block for block in pages.blocks(PAGE, "text") if "layers" in block.attributes)
    assert shown.text.splitlines() == there


def test_the_tree_has_every_room() -> None:
    rooms = {f"server/{path.name}/" for path in (pages.ROOT / "server").iterdir() if (path / "__init__.py").is_file()}
    modules = {f"server/{path.name}" for path in (pages.ROOT / "server").glob("*.py") if not path.name.startswith("__")}
    (tree,) = (part for part in PAGE.split("\n## ") if part.startswith("The tree"))
    cells = " ".join(line.split("|")[1] for line in tree.splitlines() if line.startswith("| `"))
    assert {name for name in pages.spans(cells) if name.startswith("server/")} == rooms | modules


def test_the_four_borders_are_the_only_ones() -> None:
    marked = [
        path
        for path in (pages.ROOT / "server").rglob("*.py")
        if re.search(r"^\s*except Exception\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    elsewhere = {path.relative_to(pages.ROOT / "server").as_posix() for path in marked} - RAISES_NOTHING_NARROWER
    assert {path.split("/")[0] for path in elsewhere} <= ROOMS_WITH_A_BORDER


ROOMS_WITH_A_BORDER = {"gateway", "dialogue", "plugins"}
"""Connection, turn and job, plug-in."""

RAISES_NOTHING_NARROWER = {"memory/embedding.py"}
"""Where the library called raises bare Exceptions: tokenizers, at a damaged file."""
