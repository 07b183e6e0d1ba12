"""Cards and books that the tests write themselves, in every container."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from typing import Any

from server.personas.cards.png import Chunk, blank

V1 = {
    "name": "Tilda",
    "description": "{{char}} mends nets by the quay. She knows {{user}} from the market.",
    "personality": "dry, patient",
    "scenario": "An evening at the quay.",
    "first_mes": "You again, {{user}}?",
    "mes_example": "<START>\n{{user}}: Busy?\n{{char}}: Nets don't mend themselves.\n"
    "<START>\n{{char}}: Mind the hooks.",
}
ENTRY = {
    "keys": ["lantern"],
    "content": "The lantern burns eel oil.",
    "extensions": {"somebody/else": [1, 2]},
    "enabled": True,
    "insertion_order": 10,
    "use_regex": False,
    "id": 7,
}
V2 = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        **V1,
        "creator_notes": "For people.",
        "system_prompt": "{{original}} Speak of the tide.",
        "post_history_instructions": "Stay at the quay.",
        "alternate_greetings": ["The tide is late."],
        "character_book": {"name": "Quay", "scan_depth": 3, "extensions": {}, "entries": [ENTRY]},
        "tags": ["Harbour"],
        "creator": "a tester",
        "character_version": "4",
        "extensions": {"depth_prompt": {"prompt": "Be short.", "depth": 4, "role": "system"}, "x/y": {"z": None}},
        "unknown": {"kept": 1.5},
    },
    "beside": "kept too",
}
V3 = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "data": {
        **V2["data"],  # type: ignore[dict-item]  # a literal of mixed values
        "nickname": "Til",
        "creator_notes_multilingual": {"en": "English.", "de": "Deutsch."},
        "source": ["made here"],
        "assets": [{"type": "icon", "uri": "embeded://assets/icon/images/main.png", "name": "main", "ext": "png"}],
        "group_only_greetings": ["Evening, all."],
        "creation_date": 1_700_000_000,
        "modification_date": 0,
    },
}


def encoded(raw: Any) -> bytes:
    return base64.b64encode(json.dumps(raw, ensure_ascii=False).encode())


def png(raw: Any, keyword: str = "chara", kind: bytes = b"tEXt", picture: Any = None) -> bytes:
    text, name = encoded(raw), keyword.encode()
    body = {
        b"tEXt": name + b"\0" + text,
        b"zTXt": name + b"\0\0" + zlib.compress(text),
        b"iTXt": name + b"\0\1\0\0\0" + zlib.compress(text),
    }[kind]
    *head, end = (picture or blank(4, 4)).chunks
    return type(picture or blank())((*head, Chunk(kind, body), end)).encoded()


def charx(raw: Any, **members: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(raw))
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()
