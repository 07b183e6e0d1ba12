"""Lorebook files and the books within cards, read into one kind of book.

Files: the V2 and V3 `character_book`, V3's stand-alone `lorebook_v3`, SillyTavern's world files, NovelAI's, Agnai's and
RisuAI's. All but the first are turned into the shape of the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from server.errors import CardError
from server.personas.books import decorators
from server.personas.books.book import (
    DEFAULT_DEPTH,
    DEFAULT_ORDER,
    DEFAULT_SCAN_DEPTH,
    DEFAULT_WEIGHT,
    MAX_SCAN_DEPTH,
    Book,
    Entry,
    Logic,
    Position,
)
from server.personas.cards.rawjson import clean

MAX_ENTRIES: Final = 10_000
MAX_CONTENT: Final = 16_000
MAX_KEYS: Final = 64
MAX_KEY: Final = 256
MAX_ID: Final = 64
_BIG: Final = 1_000_000
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_POSITIONS: Final = {"before_char": Position.BEFORE_CHARACTER, "after_char": Position.AFTER_CHARACTER}

Raw = Mapping[str, Any]


def is_book(raw: Raw) -> bool:
    """Whether a JSON object is a lorebook of one of the kinds that are read."""
    return _shape(raw) is not None


def read(raw: Raw, book_id: str) -> Book:
    """The book that a file holds.

    Raises:
        CardError: it is none that is known, or too large.
    """
    shape = _shape(raw)
    if shape is None:
        hint = "Books are V2 or V3 lorebooks, SillyTavern's world files, and those of NovelAI, Agnai and RisuAI."
        raise CardError("This is no lorebook that is known.", hint)
    return of_card(shape, book_id)


def of_card(raw: Raw, book_id: str) -> Book:
    """The book within a card; fields of wrong kinds count as absent.

    Raises:
        CardError: it has more than `MAX_ENTRIES` entries, or they are no list.
    """
    entries = raw.get("entries", [])
    if not isinstance(entries, list):
        raise CardError("The lorebook has no list of entries.", "Export it anew from the program that made it.")
    if len(entries) > MAX_ENTRIES:
        raise CardError(f"The lorebook has {len(entries):,} entries, more than {MAX_ENTRIES:,}.", "Cut it in two.")
    own = _map(_map(raw.get("extensions")).get("barkeep"))
    return Book(
        id=book_id,
        name=_text(raw.get("name"), MAX_KEY),
        entries=tuple(_entries(entries, book_id)),
        scan_depth=_int(raw.get("scan_depth"), DEFAULT_SCAN_DEPTH, 0, MAX_SCAN_DEPTH),
        token_budget=_maybe_int(raw.get("token_budget"), 0, _BIG),
        recursive=raw.get("recursive_scanning") is True,
        max_recursion_steps=_int(own.get("max_recursion_steps"), 0, 0, MAX_SCAN_DEPTH),
        min_activations=_int(own.get("min_activations"), 0, 0, MAX_SCAN_DEPTH),
        max_depth=_int(own.get("max_depth"), MAX_SCAN_DEPTH, 0, MAX_SCAN_DEPTH),
        include_names=own.get("include_names") is not False,
    )


def _entries(entries: list[Any], book_id: str) -> Iterator[Entry]:
    seen: set[str] = set()
    for at, raw in enumerate(entries):
        if not isinstance(raw, dict):
            continue
        name = str(raw["id"])[:MAX_ID] if isinstance(raw.get("id"), int | str) else str(at)
        name = name if name not in seen else f"{name}#{at}"
        seen.add(name)
        yield _entry(raw, f"{book_id}/{name}")


def _entry(raw: Raw, entry_id: str) -> Entry:
    more = _map(raw.get("extensions"))
    said, content = decorators.split(_text(raw.get("content"), MAX_CONTENT))
    keys = _words(raw.get("keys"))
    use_regex = raw.get("use_regex") is True
    is_alone = use_regex and _stand_alone(keys, more)
    own = _of_extensions(entry_id, more)
    return replace(
        own,
        content=content,
        keys=keys,
        secondary=_words(raw.get("secondary_keys")) if raw.get("selective") is True and not is_alone else (),
        title=_text(raw.get("name"), MAX_KEY) or _text(raw.get("comment"), MAX_KEY),
        enabled=raw.get("enabled") is not False and _is_for_talk(more),
        constant=raw.get("constant") is True and not is_alone,
        order=_int(raw.get("insertion_order"), DEFAULT_ORDER, -_BIG, _BIG),
        priority=_maybe_int(raw.get("priority"), -_BIG, _BIG),
        position=_position(raw, more, said.position, said.depth),
        depth=own.depth if said.depth is None else said.depth,
        scan_depth=own.scan_depth if said.scan_depth is None else said.scan_depth,
        case_sensitive=raw.get("case_sensitive") is True or own.case_sensitive,
        use_regex=use_regex,
        decorators=said,
    )


def _of_extensions(entry_id: str, more: Raw) -> Entry:
    """An entry without content or keys that has what SillyTavern keeps in `extensions`."""
    only = _map(more.get("character_filter"))
    rolls = more.get("useProbability", True) is not False
    return Entry(
        entry_id,
        "",
        logic=Logic(_int(more.get("selectiveLogic"), 0, 0, 3)),
        depth=_int(more.get("depth"), DEFAULT_DEPTH, 0, _BIG),
        scan_depth=_maybe_int(more.get("scan_depth"), 0, MAX_SCAN_DEPTH),
        case_sensitive=more.get("case_sensitive") is True,
        whole_words=more.get("match_whole_words") is True,
        probability=_int(more.get("probability"), 100, 0, 100) if rolls else 100,
        groups=tuple(each.strip() for each in _text(more.get("group"), MAX_KEY).split(",") if each.strip()),
        group_override=more.get("group_override") is True,
        group_weight=_int(more.get("group_weight"), DEFAULT_WEIGHT, 0, _BIG),
        group_scoring=more.get("use_group_scoring") is True,
        sticky=_int(more.get("sticky"), 0, 0, _BIG),
        cooldown=_int(more.get("cooldown"), 0, 0, _BIG),
        delay=_int(more.get("delay"), 0, 0, _BIG),
        exclude_recursion=more.get("exclude_recursion") is True,
        prevent_recursion=more.get("prevent_recursion") is True,
        delay_until_recursion=_int(more.get("delay_until_recursion"), 0, 0, MAX_SCAN_DEPTH),
        ignore_budget=more.get("ignore_budget") is True,
        names=_words(only.get("names")),
        tags=_words(only.get("tags")),
        names_excluded=only.get("isExclude") is True,
    )


def _stand_alone(keys: tuple[str, ...], more: Raw) -> bool:
    """Whether these are V3's patterns, beside which nothing counts. SillyTavern's entries have a logic of their own."""
    return "selectiveLogic" not in more and any(key.startswith("/") for key in keys)


def _is_for_talk(more: Raw) -> bool:
    """SillyTavern's `triggers` name what a generation must be for the entry to come up; none is any."""
    triggers = more.get("triggers")
    return not isinstance(triggers, list) or not triggers or "normal" in triggers


def _position(raw: Raw, more: Raw, decorated: str, depth: int | None) -> Position:
    """`extensions.position` wins over `position`, and a decorator over both."""
    if decorated:
        return Position.BEFORE_CHARACTER if decorated == "before_desc" else Position.AFTER_CHARACTER
    if depth is not None:
        return Position.AT_DEPTH
    number = _maybe_int(more.get("position"), 0, 7)
    if number is not None:
        return Position(number)
    said = raw.get("position")
    return _POSITIONS.get(said, Position.AFTER_CHARACTER) if isinstance(said, str) else Position.AFTER_CHARACTER


def _shape(raw: Raw) -> Raw | None:
    """A book of any kind in the shape of a `character_book`; None where it is none."""
    entries = raw.get("entries")
    if raw.get("spec") == "lorebook_v3":
        return _map(raw.get("data"))
    if "spec" in raw:
        return None
    if isinstance(entries, dict):
        return {
            **raw,
            "entries": [_of_sillytavern(each, uid) for uid, each in entries.items() if isinstance(each, dict)],
        }
    if isinstance(entries, list) and "lorebookVersion" in raw:
        return {"name": raw.get("name"), "entries": [_of_novel(each) for each in entries if isinstance(each, dict)]}
    if isinstance(entries, list) and raw.get("kind") == "memory":
        return {**raw, "entries": [_of_agnai(each) for each in entries if isinstance(each, dict)]}
    if raw.get("type") == "risu" and isinstance(raw.get("data"), list):
        return {"entries": [_of_risu(each) for each in raw["data"] if isinstance(each, dict)]}
    return raw if isinstance(entries, list) else None


def _of_sillytavern(raw: Raw, uid: str) -> Raw:
    """A world file's entry says in camel case what a card's says in its extensions."""
    renamed = {"selectiveLogic", "useProbability"}
    more = {name if name in renamed else _CAMEL.sub("_", name).lower(): value for name, value in raw.items()}
    return {
        "id": raw.get("uid", uid),
        "keys": raw.get("key"),
        "secondary_keys": raw.get("keysecondary"),
        "content": raw.get("content"),
        "comment": raw.get("comment"),
        "enabled": raw.get("disable") is not True,
        "constant": raw.get("constant"),
        "selective": raw.get("selective", True),
        "insertion_order": raw.get("order"),
        "extensions": more,
    }


def _of_novel(raw: Raw) -> Raw:
    where = _map(raw.get("contextConfig"))
    return {
        "id": raw.get("id"),
        "keys": raw.get("keys"),
        "content": raw.get("text"),
        "comment": raw.get("displayName"),
        "enabled": raw.get("enabled"),
        "constant": raw.get("forceActivation"),
        "insertion_order": where.get("budgetPriority", 0),
    }


def _of_agnai(raw: Raw) -> Raw:
    return {
        "keys": raw.get("keywords"),
        "content": raw.get("entry"),
        "name": raw.get("name"),
        "enabled": raw.get("enabled"),
        "insertion_order": raw.get("weight"),
        "priority": raw.get("priority"),
        "extensions": {"match_whole_words": True},
    }


def _of_risu(raw: Raw) -> Raw:
    return {
        "keys": raw.get("key"),
        "secondary_keys": raw.get("secondkey"),
        "content": raw.get("content"),
        "comment": raw.get("comment"),
        "enabled": raw.get("mode") != "folder",
        "constant": raw.get("alwaysActive"),
        "selective": raw.get("selective"),
        "insertion_order": raw.get("insertorder"),
        "use_regex": raw.get("useRegex"),
    }


def _map(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _text(value: Any, longest: int) -> str:
    return clean(value[:longest]) if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...]:
    """A list of keys, or one text with commas between them; a pattern may hold commas, and stays whole."""
    if isinstance(value, str):
        value = [value] if value.lstrip().startswith("/") else value.split(",")
    if not isinstance(value, list):
        return ()
    found = (_text(each, MAX_KEY + 1).strip() for each in value[:MAX_KEYS])
    return tuple(dict.fromkeys(each for each in found if 0 < len(each) <= MAX_KEY))


def _maybe_int(value: Any, lowest: int, highest: int) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value.strip(), re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return max(lowest, min(highest, round(value)))


def _int(value: Any, default: int, lowest: int, highest: int) -> int:
    if value is True:
        return max(lowest, min(highest, 1))
    found = _maybe_int(value, lowest, highest)
    return default if found is None else found
