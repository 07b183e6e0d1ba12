"""YAML that people write by hand: read safely, and explained by file, line and key where it is wrong.

Scalars follow the core schema of YAML 1.2 (section 10.3.2): `yes`, `no`, `12:30` and dates are text. Anchors, aliases,
tags and second documents are refused: no file needs them, and aliases are how a small file becomes a huge one.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from server.errors import YamlError

MAX_BYTES: Final = 262_144
MAX_DEPTH: Final = 16
MAX_NODES: Final = 20_000

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("authored", "topics", 0, "lines")`."""

# The C parser of libyaml is ten times faster; wheels without it fall back to the one in Python.
_PARSER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. `data` is of dict (text keys), list, str, int, float, bool and None; lines count from 1."""

    path: Path
    data: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, key: KeyPath) -> int:
        """The line of `key`, or of the nearest part around it that stands in the file; 0 where nothing does."""
        for end in range(len(key), -1, -1):
            if (found := self.lines.get(key[:end])) is not None:
                return found
        return 0


def load(path: Path, max_bytes: int = MAX_BYTES) -> Document:
    """Read a YAML file; an empty one has `data` None.

    Raises:
        YamlError: the file cannot be read, is larger than `max_bytes`, not UTF-8, or not the YAML described above.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise YamlError(str(path), 0, f"cannot be read: {error.strerror or error}") from error
    if len(raw) > max_bytes:
        raise YamlError(str(path), 0, f"is larger than {max_bytes:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise YamlError(str(path), line, "is not UTF-8", "save the file with the encoding UTF-8") from error
    builder = _build(text, str(path))
    return Document(path, builder.data, builder.lines)


def parse(text: str, source: str) -> Any:
    """The value of a short YAML text such as `[a, b]` or `null`; errors name `source`.

    Raises:
        YamlError: it is not the YAML described above.
    """
    return _build(text, source).data


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The one of `choices` that `word` was probably meant to be, whatever its case; None where none is near."""
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(word.casefold()[:128], folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def _build(text: str, source: str) -> _Builder:
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problem = f"is not valid YAML: {error.problem or error.context}"
        raise YamlError(source, line, problem, _syntax_hint(error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(source, line, "holds a character that YAML does not allow") from error
    return builder


def _syntax_hint(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "mapping values are not allowed" in problem:
        return "put text that holds ': ' in quotes"
    if "cannot start any token" in problem:
        return "indent with spaces, and put text that begins with a sign in quotes"
    return "look at the quotes and the indentation of this line and the one before"


class _Builder:
    """Turns parse events into data, without recursion: a hostile file costs memory in proportion to its bytes."""

    def __init__(self, source: str) -> None:
        self.data: Any = None
        self.lines: dict[KeyPath, int] = {}
        self._source = source
        self._stack: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Add one event, in the order of the file."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._error(event, "holds a second document", "remove the line '---'")
            case yaml.AliasEvent():
                raise self._error(event, "uses an alias (*name)", "write the value again, or put text in quotes")
            case yaml.ScalarEvent():
                self._guard(event)
                self._add(event, self._scalar(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._guard(event)
                self._enter(event, {} if isinstance(event, yaml.MappingStartEvent) else [])
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._stack.pop()

    def _guard(self, event: yaml.NodeEvent) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._error(event, f"holds more than {MAX_NODES:,} values")
        if event.anchor is not None:
            raise self._error(event, "uses an anchor (&name)", "put text that begins with & in quotes")
        if getattr(event, "tag", None) is not None:
            raise self._error(event, "uses a tag (!name)", "put text that begins with ! in quotes")

    def _enter(self, event: yaml.NodeEvent, container: dict[str, Any] | list[Any]) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise self._error(event, f"is nested more than {MAX_DEPTH} deep")
        key = self._add(event, container)
        self._stack.append(_Open(container, key))

    def _add(self, event: yaml.NodeEvent, value: Any) -> KeyPath:
        """Put `value` into the open container, or remember it as the key of the next one."""
        if not self._stack:
            self.data = value
            self.lines[()] = _line(event)
            return ()
        top = self._stack[-1]
        if isinstance(top.container, list):
            path = (*top.path, len(top.container))
            top.container.append(value)
            self.lines[path] = _line(event)
            return path
        if top.key is None:
            self._take_key(event, top, value)
            return top.path
        path = (*top.path, top.key)
        top.container[top.key] = value
        top.key = None
        return path

    def _take_key(self, event: yaml.NodeEvent, top: _Open, value: Any) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, "has a list or mapping as a key", "put text that begins with [ or { in quotes")
        key = event.value
        if key in top.container:
            first = self.lines[(*top.path, key)]
            raise self._error(event, f"says '{key[:64]}' twice; the first is in line {first}", "keep one of them")
        top.key = key
        self.lines[(*top.path, key)] = _line(event)

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if _NULL.fullmatch(text):
            return None
        if found := _BOOL.fullmatch(text):
            return found[1] is not None
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                raise self._error(event, "holds a number too large to use")
            return number
        return text

    def _error(self, event: yaml.Event, message: str, hint: str = "") -> YamlError:
        return YamlError(self._source, _line(event), message, hint)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end is not read yet; `key` waits for its value."""

    container: Any
    path: KeyPath
    key: str | None = None
