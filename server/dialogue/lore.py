"""Which lore a line brings up, for an NPC that may know it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.personas.persona import Persona
from server.plugins.hooks import Lore
from server.prompt.context import Item


def brought_up(lore: Iterable[Lore], text: str, persona: Persona, already: frozenset[str]) -> tuple[Item, ...]:
    """Entries one of whose keys is said in `text`, that `persona` may know, and that do not stand in its prompt yet."""
    words = text.casefold()
    return tuple(
        Item(entry.id, entry.text)
        for entry in lore
        if entry.id not in already and _may_know(entry, persona) and any(_is_said(key, words) for key in entry.keys)
    )


def _may_know(entry: Lore, persona: Persona) -> bool:
    return not entry.who or not set(entry.who).isdisjoint({*persona.knows, persona.id})


def _is_said(key: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(key.casefold())}(?!\w)", words) is not None
