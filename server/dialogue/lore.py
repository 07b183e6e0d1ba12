"""Which lore a line brings up, for an NPC that may know it, and how that NPC comes to know it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.dialogue.scene import SECONDS_PER_HOUR
from server.personas.persona import Persona
from server.plugins.hooks import Lore
from server.prompt.context import Item

EVERYONE = "everyone"
_SOURCES = {
    "place": "common knowledge in {tag}",
    "faction": "common knowledge of the {tag}",
    "class": "known to every {tag}",
    "npc": "",
}
"""What a tag's prefix says of those who know, by prefix."""


def brought_up(
    lore: Iterable[Lore], text: str, persona: Persona, already: frozenset[str], time: float | None = None
) -> tuple[Item, ...]:
    """Entries one of whose keys is said in `text`, that `persona` may know, and that do not stand in its prompt yet.

    `time` is the game's, in seconds; where it is unknown, nothing that is known only from some hour on comes up.
    """
    words = text.casefold()
    found: list[Item] = []
    for entry in lore:
        if entry.id in already or not _is_known_yet(entry, time):
            continue
        source = source_for(entry, persona)
        if source is not None and any(_is_said(key, words) for key in entry.keys):
            found.append(Item(entry.id, f"{entry.text} ({source})" if source else entry.text))
    return tuple(found)


def source_for(entry: Lore, persona: Persona) -> str | None:
    """How `persona` knows `entry`, in words: empty where nothing is to be said about it; None where it does not."""
    if not entry.who:
        return ""
    for tag in entry.who:
        kind, name = _parts(tag)
        if tag == EVERYONE:
            return ""
        if name == persona.id and kind in ("", "npc"):
            return ""
        if kind != "npc" and any(_is_same(kind, name, known) for known in persona.knows):
            return _SOURCES.get(kind, "").format(tag=name.replace("_", " "))
    return None


def _parts(tag: str) -> tuple[str, str]:
    """The prefix that says what kind of tag it is, where it is one of ours, and the tag."""
    kind, mark, name = tag.partition(":")
    return (kind, name.strip()) if mark and kind in _SOURCES else ("", tag)


def _is_same(kind: str, name: str, known: str) -> bool:
    """A tag is the same with and without its kind, but never another kind's."""
    known_kind, known_name = _parts(known)
    return name == known_name and (not kind or not known_kind or kind == known_kind)


def _is_known_yet(entry: Lore, time: float | None) -> bool:
    return entry.since_hours is None or (time is not None and time >= entry.since_hours * SECONDS_PER_HOUR)


def _is_said(key: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(key.casefold())}(?!\w)", words) is not None
