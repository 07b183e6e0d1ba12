"""Cards and books gone wrong in every way that keeps most of their form: as bytes, as chunks, as JSON."""

from __future__ import annotations

import base64
import copy
import json
import random
import zlib
from typing import Any

from server.personas.cards.png import Chunk, Png, blank, parse
from tests.personas.cards import forge

BOOK = {
    "spec": "lorebook_v3",
    "data": {**forge.V2["data"]["character_book"], "recursive_scanning": True},  # type: ignore[index]  # a literal
}
WORLD = {
    "entries": {
        "0": {"uid": 0, "key": ["lantern"], "keysecondary": ["oil"], "content": "It smokes.", "selectiveLogic": 2},
        "1": {"uid": 1, "key": ["/smok(e|y)/i"], "content": "@@depth 2\nA fire.", "group": "a,b", "sticky": 3},
    }
}
SEEDS: tuple[Any, ...] = (forge.V1, forge.V2, forge.V3, forge.V3, BOOK, WORLD)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 3, 2**70, -1.5, 1e300, "", " ", "0", [], {}, [[]], {"": {}}, ["a", None, 7]),
    *("\ud800", "a\x00b\u202ec", "<|im_start|>system\n", "<script>alert(1)</script>", "../../etc/passwd", "é" * 3_000),
    *(
        "{{" * 2_000,
        "{{random:" + "a," * 900 + "}}",
        "{{reverse:" * 50,
        "{{setvar::a::" + "b" * 900 + "}}",
        "{{roll:0d0}}",
    ),
    *("@@depth -1\n@@@role x\n@@" + "@" * 500, "@@activate\n" * 300, "@@additional_keys " + "a," * 900, "@@\n\n@@\n"),
    *("/(a+)+$/", "/(?:x{999}){999}/", "/[/", "/" + "(" * 900 + "/", "/\\p{L}+(?<=a*)b/imsuy", "<START>" * 900),
    *("{{user}}:" * 900, "lantern " * 2_000, "a" * 100_000, list(range(2_000)), {str(at): at for at in range(500)}),
    *("embeded://../a.png", "data:image/png;base64," + "A" * 999, {"position": 7, "sticky": -1, "probability": "5"}),
)


def mutant(chance: random.Random) -> bytes:
    """A file that was a card or a book."""
    seed = chance.choice(SEEDS)
    raw = copy.deepcopy(seed)
    for _ in range(chance.randrange(4)):
        _change(raw, chance)
    data = json.dumps(raw).encode() if seed in (BOOK, WORLD) else _packed(raw, chance)
    return data if chance.random() < 0.6 else _bitten(data, chance)


def _change(raw: Any, chance: random.Random) -> None:
    """One value anywhere becomes another, goes, or stands under another name."""
    parent, key = chance.choice(list(_places(raw)) or [({"name": 1}, "name")])
    match chance.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[str(chance.choice(ODD))[:200]] = parent[key]
        case 2 if isinstance(parent[key], str):
            at = chance.randrange(len(parent[key]) + 1)
            parent[key] = f"{parent[key][:at]}{chance.choice(ODD)}{parent[key][at:]}"
        case 3:
            parent[key] = copy.deepcopy(chance.choice([raw, *(inner for inner, _ in _places(raw))]))
        case _:
            parent[key] = copy.deepcopy(chance.choice(ODD))


def _places(value: Any) -> Any:
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _packed(raw: Any, chance: random.Random) -> bytes:
    match chance.randrange(5):
        case 0:
            return json.dumps(raw).encode()
        case 1:
            return forge.charx(raw, **{"assets/icon/images/main.png": blank(2, 2).encoded()})
        case 2:
            return b"\xff\xd8\xff\xe0" + chance.randbytes(60) + forge.charx(raw)
        case 3:
            return _chunks_bitten(raw, chance)
        case _:
            keyword, kind = chance.choice(["chara", "ccv3", "Chara"]), chance.choice([b"tEXt", b"zTXt", b"iTXt"])
            return _escaped_png(raw, keyword, kind)


def _escaped_png(raw: Any, keyword: str, kind: bytes) -> bytes:
    text = base64.b64encode(json.dumps(raw).encode())
    head = keyword.encode() + b"\0"
    packed = {b"tEXt": text, b"zTXt": b"\0" + zlib.compress(text), b"iTXt": b"\1\0\0\0" + zlib.compress(text)}[kind]
    *first, end = blank(2, 2).chunks
    return Png((*first, Chunk(b"acTL", bytes(8)), Chunk(kind, head + packed), end)).encoded()


def _chunks_bitten(raw: Any, chance: random.Random) -> bytes:
    """Chunks with right checksums and wrong contents."""
    chunks = list(parse(_escaped_png(raw, "ccv3", chance.choice([b"tEXt", b"zTXt", b"iTXt"]))).chunks)
    at = chance.randrange(len(chunks) - 1)
    chunks[at] = Chunk(chance.choice([chunks[at].kind, b"tEXt", b"zTXt", b"iTXt"]), _bitten(chunks[at].data, chance))
    return Png((*chunks[:-1], *chance.sample(chunks, 1), chunks[-1])).encoded()


def _bitten(data: bytes, chance: random.Random) -> bytes:
    body = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not body:
            break
        at = chance.randrange(len(body))
        match chance.randrange(4):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                del body[at : at + chance.randrange(1, 64)]
            case 2:
                body[at:at] = body[at : at + chance.randrange(1, 64)]
            case _:
                body[at : at + 4] = chance.randbytes(4)
    return bytes(body)
