"""Cards written as PNG, JSON or CHARX, with everything that they came with as far as the file can hold it."""

from __future__ import annotations

import base64
import copy
import re
from typing import Any, Final

from server.errors import CardError
from server.personas.cards import card as cards
from server.personas.cards import rawjson
from server.personas.cards.charx import CARD_NAME, Charx, packed
from server.personas.cards.file import NEW_KEYWORD, OLD_KEYWORD, CardFile, Container
from server.personas.cards.png import SIGNATURE, Png, blank, parse
from server.personas.persona import Persona

CONTAINERS: Final[dict[str, Container]] = {".png": "png", ".apng": "png", ".json": "json", ".charx": "charx"}
_DECORATORS: Final = re.compile(r"\A(?:\s*@@[^\n]*(?:\n|\Z))+")


def written(file: CardFile, container: Container) -> bytes:
    """The bytes of the card in this container; in its own they are those it came in."""
    if container == file.container:
        return file.data
    raw = file.card.raw
    if container == "json":
        return rawjson.dumps(raw, indent=2) + b"\n"
    if container == "charx":
        return packed({CARD_NAME: rawjson.dumps(raw)})
    return _picture(file).with_texts(_texts(file.card)).encoded()


def lost(file: CardFile, container: Container) -> tuple[str, ...]:
    """What the card carries that this container will not have, for people."""
    if container == file.container:
        return ()
    gone = [*file.assets]
    if container != "png" and file.container == "png":
        gone.insert(0, "its picture")
    if container == "png" and file.container == "charx":
        gone = [name for name in gone if name != _icon_name(file)]
    return tuple(gone)


def of_persona(persona: Persona) -> CardFile:
    """A V3 card of a persona that was no card before."""
    examples = [f"<START>\n{{{{user}}}}: {each.player}\n{{{{char}}}}: {each.npc}" for each in persona.examples]
    first, *others = [*persona.authored.greetings, *([] if persona.authored.greetings else [""])]
    about = [f"{persona.name}, {persona.role}." if persona.role else "", persona.core, *persona.knowledge]
    raw = {
        "spec": "chara_card_v3",
        "spec_version": "3.0",
        "data": {
            "name": persona.name,
            "description": "\n".join(text for text in about if text),
            "personality": persona.voice,
            "scenario": "",
            "first_mes": first,
            "mes_example": "\n".join(examples),
            "creator_notes": "",
            "system_prompt": "",
            "post_history_instructions": "",
            "alternate_greetings": others,
            "tags": [],
            "creator": "",
            "character_version": "",
            "extensions": {},
            "group_only_greetings": [],
        },
    }
    return CardFile(cards.read(raw), "json", rawjson.dumps(raw, indent=2) + b"\n")


def _texts(card: cards.Card) -> dict[str, bytes]:
    """A V3 card stands beside a V2 copy, for programs that know no V3."""
    if card.version < 3:
        return {OLD_KEYWORD: base64.b64encode(rawjson.dumps(card.raw))}
    old = base64.b64encode(rawjson.dumps(second_version(card.raw)))
    return {OLD_KEYWORD: old, NEW_KEYWORD: base64.b64encode(rawjson.dumps(card.raw))}


def second_version(raw: dict[str, Any]) -> dict[str, Any]:
    """A V2 copy of a V3 card, without decorators."""
    made = copy.deepcopy(raw)
    made["spec"], made["spec_version"] = "chara_card_v2", "2.0"
    for name in cards.V3_ALONE:
        made["data"].pop(name, None)
    book = made["data"].get("character_book")
    entries = book.get("entries") if isinstance(book, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("content"), str):
            entry["content"] = _DECORATORS.sub("", entry["content"])
    return made


def _picture(file: CardFile) -> Png:
    """The card's own picture where it brings a PNG, else a plain one."""
    name = _icon_name(file)
    if name:
        data = Charx(file.data).read(name)
        if data.startswith(SIGNATURE):
            return parse(data)
    return blank()


def _icon_name(file: CardFile) -> str:
    """The member of a CHARX that is the main icon; empty where there is none, or it is no PNG."""
    if file.container != "charx":
        return ""
    icons = [asset for asset in file.card.assets if asset.type == "icon"]
    for asset in sorted(icons, key=lambda asset: asset.name != "main"):
        path = asset.uri.removeprefix("embeded://")
        if path != asset.uri and path in file.assets and path.lower().endswith(".png"):
            return path
    return ""


def container_of(suffix: str) -> Container:
    """The container that a file of this suffix is.

    Raises:
        CardError: there is none.
    """
    if (container := CONTAINERS.get(suffix.lower())) is None:
        raise CardError(f"No card is written as '{suffix}'.", f"Name the file {', '.join(CONTAINERS)}.")
    return container
