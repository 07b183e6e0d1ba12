"""The protocol page, read as a program would read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")

_EXAMPLE = re.compile(r"^```json (client|server)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def frames(side: str) -> list[str]:
    """The example frames of `client` or `server`."""
    return [frame for who, frame in _EXAMPLE.findall(PAGE) if who == side]


def examples(side: str) -> list[dict[str, Any]]:
    """The same, parsed."""
    return [json.loads(frame) for frame in frames(side)]


def table(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]
