"""The pages of the documentation as tests read them: fenced blocks, links, and what stands in backticks."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$", re.M | re.S
)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.M)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `attributes` are the `name="value"` of its info string; a bare word has an empty value."""

    language: str
    attributes: dict[str, str]
    text: str
    line: int

    @property
    def title(self) -> str:
        """The file that the block is, or is a part of."""
        return self.attributes.get("title", "")


def name(path: Path) -> str:
    """A page's path as people write it."""
    return path.relative_to(ROOT).as_posix()


def read(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, language: str | None = None, **attributes: str) -> list[Block]:
    """Every fenced block of this language whose attributes are these, in order."""
    found = [_block(text, match) for match in _FENCE.finditer(text)]
    return [
        block
        for block in found
        if language in (None, block.language) and attributes.items() <= block.attributes.items()
    ]


def prose(text: str) -> str:
    """The page without its fenced blocks; lines stay where they are."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def flat(text: str) -> str:
    """The text with every run of white space as one space: where a sentence is wrapped says nothing."""
    return " ".join(text.split())


def spans(text: str) -> Iterator[str]:
    """What stands in backticks in the prose."""
    return (match[1] for match in _SPAN.finditer(prose(text)))


def links(text: str) -> Iterator[str]:
    """Where the links of the prose lead."""
    return (match[1] for match in _LINK.finditer(_SPAN.sub("", prose(text))))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings: lower case, punctuation gone, spaces as hyphens."""
    titles = (re.sub(r"[^\w\- ]", "", match[1].lower()).replace(" ", "-") for match in _HEADING.finditer(prose(text)))
    seen: dict[str, int] = {}
    found = set()
    for title in titles:
        found.add(f"{title}-{seen[title]}" if title in seen else title)
        seen[title] = seen.get(title, 0) + 1
    return found


def _block(text: str, match: re.Match[str]) -> Block:
    language, *rest = shlex.split(match["info"]) or [""]
    attributes = {key: value for key, _, value in (word.partition("=") for word in rest)}
    indented = match["text"]
    if match["indent"]:
        indented = textwrap.dedent(indented)
    return Block(language, attributes, indented, text.count("\n", 0, match.start()) + 1)
