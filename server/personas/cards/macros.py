"""The macros of cards and lorebooks: those of the V3 specification, and SillyTavern's where they do no harm.

Chance is settled once and for good, from the text itself, so that a prompt's beginning stays what it was. The player's
name is not known when a card is read: `{{user}}` stays, and `addressed` puts the name in.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

USER: Final = "{{user}}"
MAX_CHARACTERS: Final = 32_000
_ROUNDS: Final = 3
"""A macro may stand within another, this deep."""
_FIELD_CHARACTERS: Final = 4_000
_MACRO: Final = re.compile(r"\{\{([^{}]{0,2000})\}\}")
_TAGS: Final = re.compile(r"<(user|char|bot|group)>", re.IGNORECASE)
_USER: Final = re.compile(r"\{\{\s*user\s*\}\}", re.IGNORECASE)
_TRIM: Final = re.compile(r"\s*\{\{\s*trim\s*\}\}\s*", re.IGNORECASE)
_DICE: Final = re.compile(r"(?:(\d{0,2})d)?(\d{1,6})", re.IGNORECASE | re.ASCII)
_COMMA: Final = re.compile(r"(?<!\\),")
_VANISHING: Final = frozenset(
    (
        *("noop", "comment", "hidden_key", "banned", "bias", "model", "summary", "persona", "maxprompt", "outlet"),
        "charversion",
        *("input", "lastmessage", "lastusermessage", "lastcharmessage", "lastmessageid"),
        *("time", "date", "weekday", "isotime", "isodate", "idle_duration", "timediff", "datetimeformat"),
    )
)
"""Those that say nothing to an NPC, or what only a chat's page knows; the scene tells the hour. V2 keeps a card's
version out of prompts."""


@dataclass(slots=True)
class Values:
    """What macros stand for: `char`, the card's fields by name, `original` of a prompt override (None elsewhere).

    `variables` are those that the text itself sets.
    """

    char: str
    fields: Mapping[str, str] = field(default_factory=dict)
    original: str | None = None
    variables: dict[str, str] = field(default_factory=dict)


def expand(text: str, values: Values) -> str:
    """`text` with every macro that is known carried out, but for the player's name; unknown ones stay as they are."""
    text = _TAGS.sub(lambda tag: USER if tag[1].lower() == "user" else values.char, text[:MAX_CHARACTERS])
    for _ in range(_ROUNDS):
        if "{{" not in text:
            break
        text = _TRIM.sub("", text)
        before = text
        text = _MACRO.sub(lambda macro: _carried_out(macro, values), text)[:MAX_CHARACTERS]
        if text == before:
            break
    return text


@functools.lru_cache(maxsize=1_024)
def addressed(text: str, player: str) -> str:
    """`text` with the player's name in it, which is not expanded itself."""
    return _USER.sub(lambda _: player, text)


def hidden_keys(text: str) -> str:
    """What stands in `{{hidden_key:…}}`: lorebooks look at it, prompts do not hold it."""
    found = (_named(macro[1]) for macro in _MACRO.finditer(text))
    return " ".join(body for name, body in found if name == "hidden_key")


def _carried_out(macro: re.Match[str], values: Values) -> str:
    name, body = _named(macro[1])
    if name in ("char", "bot", "group", "charifnotgroup"):
        return values.char
    if name == "user":
        return USER
    if name == "original" and values.original is not None:
        original, values.original = values.original, ""
        return original
    if name in values.fields and not body:
        return values.fields[name][:_FIELD_CHARACTERS]
    if name in _VANISHING or name.startswith(("//", "time_utc")):
        return ""
    if made := _MAKERS.get(name):
        return made(body, f"{macro.start()}/{macro.string[:64]}", values)
    return macro[0]


def _named(inside: str) -> tuple[str, str]:
    """A macro's name and what it is given: `random:a,b`, `random::a::b`, `roll d6`, `// note`."""
    inside = inside.strip()
    if inside.startswith("//"):
        return "//", inside[2:]
    name, mark, body = inside.partition(":")
    if not mark:
        name, _, body = inside.partition(" ")
    return name.strip().lower(), body.removeprefix(":") if mark and body.startswith(":") else body


def _choice(body: str, seed: str, values: Values) -> str:
    parts = body.split("::") if "::" in body else _COMMA.split(body)
    return parts[_chance(f"{seed}/{body}", len(parts))].replace("\\,", ",").strip()


def _roll(body: str, seed: str, values: Values) -> str:
    dice = _DICE.fullmatch(body.strip())
    if dice is None or not int(dice[2]):
        return "1"
    return str(sum(1 + _chance(f"{seed}/{body}/{each}", int(dice[2])) for each in range(int(dice[1] or 1))))


def _set(body: str, seed: str, values: Values) -> str:
    name, _, value = body.partition("::")
    values.variables[name.strip()] = value[:_FIELD_CHARACTERS]
    return ""


def _get(body: str, seed: str, values: Values) -> str:
    return values.variables.get(body.strip(), "")


def _add(body: str, seed: str, values: Values) -> str:
    name, _, more = body.partition("::")
    _change(values, name.strip(), more)
    return ""


def _change(values: Values, name: str, more: str) -> str:
    old = values.variables.get(name, "")
    try:
        new = str(int(old or "0") + int(more))
    except ValueError:
        new = old + more
    values.variables[name] = new[:_FIELD_CHARACTERS]
    return values.variables[name]


_MAKERS: Final[dict[str, Callable[[str, str, Values], str]]] = {
    "random": _choice,
    "pick": _choice,
    "roll": _roll,
    "reverse": lambda body, seed, values: body[::-1],
    "newline": lambda body, seed, values: "\n",
    "setvar": _set,
    "setglobalvar": _set,
    "getvar": _get,
    "getglobalvar": _get,
    "addvar": _add,
    "addglobalvar": _add,
    "incvar": lambda body, seed, values: _change(values, body.strip(), "1"),
    "incglobalvar": lambda body, seed, values: _change(values, body.strip(), "1"),
    "decvar": lambda body, seed, values: _change(values, body.strip(), "-1"),
    "decglobalvar": lambda body, seed, values: _change(values, body.strip(), "-1"),
}


def _chance(seed: str, sides: int) -> int:
    digest = hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % sides
