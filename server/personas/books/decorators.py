"""The decorators of V3: lines at the head of an entry that begin with `@@`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from server.personas.books.book import MAX_SCAN_DEPTH, Decorators

POSITIONS: Final = frozenset({"after_desc", "before_desc", "personality", "scenario"})
MAX_LINES: Final = 64
_MAX_NUMBER: Final = 1_000_000


def split(content: str) -> tuple[Decorators, str]:
    """The decorators of an entry, and its text without them.

    A line is its name and what follows; the first of a name counts. A line with `@@@` is the fallback of the one
    before it, looked at where that was not understood.
    """
    said: dict[str, Any] = {}
    additional: list[tuple[str, ...]] = []
    lines = content.split("\n")
    at = 0
    is_settled = False
    for line in lines[:MAX_LINES]:
        stripped = line.strip()
        if stripped and not stripped.startswith("@@"):
            break
        at += 1
        if not stripped:
            continue
        is_fallback = stripped.startswith("@@@")
        if is_fallback and is_settled:
            continue
        understood = _read(stripped.lstrip("@"))
        is_settled = understood is not None
        if understood is not None:
            _put(understood, said, additional)
    return Decorators(**said, additional_keys=tuple(additional)), "\n".join(lines[at:]).strip()


def _put(understood: dict[str, Any], said: dict[str, Any], additional: list[tuple[str, ...]]) -> None:
    for name, value in understood.items():
        if name == "additional_keys":
            additional.append(value)
        else:
            said.setdefault(name, value)


def _read(line: str) -> dict[str, Any] | None:
    """What a decorator asks for, as fields of `Decorators`; None where it is unknown or badly valued."""
    name, _, value = line.strip().partition(" ")
    reader = _READERS.get(name.lower())
    return reader(value.strip()) if reader else None


def _number(field: str, highest: int = _MAX_NUMBER, lowest: int = 0) -> Callable[[str], dict[str, Any] | None]:
    def read(value: str) -> dict[str, Any] | None:
        is_number = value.isascii() and value.isdigit() and len(value) <= 7
        return {field: min(int(value), highest)} if is_number and int(value) >= lowest else None

    return read


def _flag(field: str) -> Callable[[str], dict[str, Any] | None]:
    return lambda value: {field: True}


def _one_of(field: str, allowed: frozenset[str]) -> Callable[[str], dict[str, Any] | None]:
    return lambda value: {field: value.lower()} if value.lower() in allowed else None


def _words(field: str) -> Callable[[str], dict[str, Any] | None]:
    def read(value: str) -> dict[str, Any] | None:
        found = tuple(word.strip() for word in value.split(",") if word.strip())
        return {field: found} if found else None

    return read


def _nothing(value: str) -> dict[str, Any] | None:
    """Understood, and without effect here, as V3 wants it: no page's prompts, no user icons, no text without turns."""
    return {}


_READERS: Final[dict[str, Callable[[str], dict[str, Any] | None]]] = {
    "activate": _flag("activate"),
    "dont_activate": _flag("dont_activate"),
    "activate_only_after": _number("only_after"),
    "activate_only_every": _number("only_every", lowest=1),
    "keep_activate_after_match": _flag("keep_after_match"),
    "dont_activate_after_match": _flag("not_after_match"),
    "is_greeting": _number("is_greeting"),
    "additional_keys": _words("additional_keys"),
    "exclude_keys": _words("exclude_keys"),
    "ignore_on_max_context": _flag("ignore_on_max_context"),
    "scan_depth": _number("scan_depth", MAX_SCAN_DEPTH),
    "depth": _number("depth"),
    "reverse_depth": _number("reverse_depth"),
    "role": _one_of("role", frozenset({"assistant", "system", "user"})),
    "position": _one_of("position", POSITIONS),
    "instruct_depth": _nothing,
    "reverse_instruct_depth": _nothing,
    "instruct_scan_depth": _nothing,
    "disable_ui_prompt": _nothing,
    "is_user_icon": _nothing,
}
