"""Cards of every version, in every container, and the files that are no card."""

from __future__ import annotations

import base64
import json
import struct
import time
import tracemalloc
import zipfile
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import CardError
from server.personas import loader
from server.personas.cards import file as files
from server.personas.cards import png as pngs
from server.personas.cards import rawjson
from server.personas.cards.export import lost, of_persona, second_version, written
from server.personas.cards.macros import Values, addressed, expand
from server.personas.cards.persona import for_player
from server.prompt.build import core_tokens
from server.prompt.tokens import EstimatedTokenizer
from tests.personas.cards import forge

CARDS = {1: forge.V1, 2: forge.V2, 3: forge.V3}
each_version = pytest.mark.parametrize("version", CARDS)


@each_version
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("keyword", ["chara", "Chara", "ccv3"])
def test_a_picture_holds_its_card(version: int, kind: bytes, keyword: str) -> None:
    file = files.read(forge.png(CARDS[version], keyword, kind))
    assert (file.card.version, file.card.data.name, file.container) == (version, "Tilda", "png")
    assert file.card.raw == CARDS[version]


def test_the_newer_card_in_a_picture_wins() -> None:
    both = pngs.parse(forge.png({**forge.V1, "name": "Old"}))
    both = both.with_texts({"ccv3": forge.encoded(forge.V3)})
    assert files.read(both.encoded()).card.version == 3


@each_version
@pytest.mark.parametrize("source", ["png", "json", "charx"])
@pytest.mark.parametrize("target", ["png", "json", "charx"])
def test_no_field_is_lost_from_any_container_to_any_other(version: int, source: Any, target: Any) -> None:
    raw = CARDS[version]
    data = {"png": forge.png(raw), "json": json.dumps(raw).encode(), "charx": forge.charx(raw)}[source]
    file = files.read(data)
    again = files.read(written(file, target))
    assert again.card.raw == raw
    assert again.card.data == file.card.data
    if source == target:
        assert written(file, target) == data


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(unknown=st.dictionaries(st.text(min_size=1).map("x_".__add__), JSON, max_size=4), text=st.text())
def test_what_nobody_knows_survives_every_round_trip(unknown: dict[str, Any], text: str) -> None:
    raw = {**forge.V3, "data": {**forge.V3["data"], "description": text, "extensions": unknown}, **unknown}  # type: ignore[dict-item]  # mixed
    file = files.read(json.dumps(raw).encode())
    for container in ("png", "charx", "json"):
        again = files.read(written(file, container))
        assert again.card.raw == raw


def test_half_a_surrogate_pair_survives_and_never_reaches_a_prompt() -> None:
    raw = {**forge.V1, "description": "broken \ud83d here"}
    file = files.read(json.dumps(raw).encode())
    assert files.read(written(file, "png")).card.raw == raw
    assert file.card.data.description == "broken \ufffd here"


def test_a_pictures_bytes_stay_where_only_the_card_is_new() -> None:
    picture = pngs.parse(forge.png(forge.V1))
    again = pngs.parse(picture.with_texts({"chara": forge.encoded(forge.V2)}).encoded())
    assert [each for each in again.chunks if not each.keyword] == [each for each in picture.chunks if not each.keyword]


def test_a_v3_picture_has_a_v2_copy_without_decorators() -> None:
    raw = json.loads(json.dumps(forge.V3))
    raw["data"]["character_book"]["entries"][0]["content"] = "@@depth 2\n@@role user\nThe lantern."
    copy = second_version(raw)
    assert copy["spec"] == "chara_card_v2"
    assert copy["data"]["character_book"]["entries"][0]["content"] == "The lantern."
    assert "nickname" not in copy["data"]
    assert raw["data"]["character_book"]["entries"][0]["content"].startswith("@@")
    text = pngs.parse(written(files.read(json.dumps(raw).encode()), "png")).text("chara")
    assert json.loads(base64.b64decode(text or b"")) == copy


def test_a_charx_brings_its_icon_and_lists_what_is_lost() -> None:
    icon = pngs.blank(3, 3).encoded()
    names = {"assets/icon/images/main.png": icon, "assets/other/song.ogg": b"la"}
    file = files.read(forge.charx(forge.V3, **names))
    assert file.assets == tuple(names)
    assert lost(file, "png") == ("assets/other/song.ogg",)
    assert pngs.parse(written(file, "png")).chunks[0] == pngs.parse(icon).chunks[0]
    assert lost(files.read(forge.png(forge.V3)), "json") == ("its picture",)


def test_a_zip_behind_a_jpeg_is_a_card() -> None:
    assert files.read(b"\xff\xd8\xff\xe0 a picture" + forge.charx(forge.V3)).card.version == 3


def test_absent_and_null_fields_are_empty_and_oddities_are_told() -> None:
    card = files.read(json.dumps({"name": "Bo", "description": None, "tags": None}).encode()).card
    assert (card.data.description, card.data.tags, card.data.extensions) == ("", (), {})
    assert any("first_mes" in note for note in card.notes)
    newer = files.read(json.dumps({**forge.V3, "spec_version": "3.5"}).encode()).card
    assert "newer version 3.5" in newer.notes[0]


def test_names_of_v3_in_an_older_card_are_somebody_elses() -> None:
    raw = json.loads(json.dumps(forge.V2))
    raw["data"] |= {"assets": "none", "source": 7, "nickname": "Nick"}
    card = files.read(json.dumps(raw).encode()).card
    assert (card.spoken_name, card.data.source, card.raw) == ("Tilda", (), raw)
    dated = {**forge.V3, "data": {**forge.V3["data"], "creation_date": "yesterday"}}  # type: ignore[dict-item]  # mixed
    assert files.read(json.dumps(dated).encode()).card.data.creation_date is None


def test_notes_are_for_people_in_their_language() -> None:
    card = files.read(json.dumps(forge.V3).encode()).card
    assert (card.notes_in("de-AT"), card.notes_in("fr")) == ("Deutsch.", "English.")


def test_no_asset_list_means_the_picture_is_the_icon() -> None:
    [asset] = files.read(json.dumps(forge.V2).encode()).card.assets
    assert (asset.type, asset.uri, asset.name, asset.ext) == ("icon", "ccdefault:", "main", "png")


def _bomb(name: str = "card.json", size: int = 30 << 20) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b" " * size)
    return made.getvalue()


def _locked() -> bytes:
    data = bytearray(forge.charx(forge.V1))
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


GOOD = forge.png(forge.V2)
HOSTILE = {
    "wrong checksum": GOOD[:40] + bytes([GOOD[40] ^ 1]) + GOOD[41:],
    "a chunk of 100 MB": GOOD[:8] + struct.pack(">I", 100 << 20) + GOOD[12:],
    "cut off": GOOD[:-20],
    "packed text that grows": pngs.Png(
        (
            *pngs.blank().chunks[:-1],
            pngs.Chunk(b"zTXt", b"chara\0\0" + zlib.compress(b"A" * (64 << 20))),
            pngs.blank().chunks[-1],
        )
    ).encoded(),
    "no base64": pngs.blank().with_texts({"chara": b"%%%"}).encoded(),
    "a portrait": pngs.blank().encoded(),
    "zip bomb": _bomb(),
    "asset bomb": _bomb("assets/a.bin"),
    "path out of the zip": forge.charx(forge.V1, **{"../../etc/passwd": b"x"}),
    "absolute path": forge.charx(forge.V1, **{"/etc/passwd": b"x"}),
    "locked zip": _locked(),
    "zip without a card": _bomb("other.json", 10),
    "many members": forge.charx(forge.V1, **{str(number): b"" for number in range(1_001)}),
    "webp": b"RIFF\0\0\0\0WEBPVP8 ",
    "script": b"<script>alert(1)</script>",
    "deep": b'{"name":"a","description":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "somewhat deep": b'{"name":"a","description":' + b"[" * 100 + b"]" * 100 + b"}",
    "infinity": b'{"name":"a","description":"b","x":1e999}',
    "not a number": b'{"name":"a","description":"b","x":NaN}',
    "long number": b'{"name":"a","description":"b","x":' + b"9" * 10_000 + b"}",
    "no spec": b'{"data":{"name":"a"}}',
    "no name": b'{"name":" ","description":"b"}',
    "wrong kind": b'{"name":"a","description":{"b":1}}',
    "no data": b'{"spec":"chara_card_v2","data":[]}',
    "a list": b"[1]",
    "empty": b"",
    "too large": b"{" + b" " * files.MAX_FILE_BYTES,
    "large json": b"{" + b" " * rawjson.MAX_BYTES,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words_quickly_and_in_little_memory(name: str) -> None:
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(CardError) as caught:
            files.read(HOSTILE[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.message
    assert caught.value.hint
    assert time.perf_counter() - began < 5
    assert peak < 160 << 20


def _persona(raw: Any) -> Any:
    return loader.persona_of(files.read(json.dumps(raw).encode()), "tilda")[0]


def test_a_card_becomes_a_persona() -> None:
    persona = for_player(_persona(forge.V3), "Bram")
    assert persona.name == "Til"
    assert persona.core == "Til mends nets by the quay. She knows Bram from the market.\nAn evening at the quay."
    assert persona.voice == "dry, patient\nSpeak of the tide.\nStay at the quay.\nBe short."
    assert persona.authored.greetings == ("You again, Bram?", "The tide is late.")
    assert (persona.authored.group_greetings, persona.authored.greets_first) == (("Evening, all.",), True)
    assert [(each.player, each.npc) for each in persona.examples] == [
        ("Busy?", "Nets don't mend themselves."),
        ("…", "Mind the hooks."),
    ]
    assert "For people." not in persona.model_dump_json()
    assert "a tester" not in persona.model_dump_json()


def test_a_long_card_keeps_all_it_says_within_its_budget() -> None:
    told = [f"Fact number {number} about the quay is this one." for number in range(400)]
    persona = _persona(
        {**forge.V1, "description": " ".join(told), "personality": "Calm. " * 400, "first_mes": "Hm. " * 400}
    )
    assert core_tokens(persona, EstimatedTokenizer()) <= 768
    everything = " ".join((persona.core, *persona.knowledge))
    assert all(fact in everything for fact in told)
    assert len(persona.authored.greetings[0]) <= 512


def test_a_persona_that_was_no_card_becomes_one() -> None:
    persona = _persona(forge.V2)
    card = of_persona(persona).card
    assert card.version == 3
    assert card.data.first_mes == persona.authored.greetings[0]
    assert loader.persona_of(of_persona(persona), "tilda")[0].examples == persona.examples


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{{char}} <BOT> {{CHAR}} <char>", "Til Til Til Til"),
        ("{{user}} <USER> {{ User }}", "{{user}} {{user}} {{user}}"),
        ("{{random:a}}{{pick::b}}{{random:c\\,d}}", "abc,d"),
        ("{{reverse:abc}}{{// gone}}{{comment: gone}}{{hidden_key:gone}}", "cba"),
        ("{{roll:d1}} {{roll:1}} {{roll:2D1}}", "1 1 2"),
        ("{{charVersion}}{{pick::e,e}}", "e"),
        ("{{setvar::n::4}}{{incvar::n}}{{getvar::n}}", "55"),
        ("{{scenario}}{{unknown}}{{time}}", "At {{user}}'s.{{unknown}}"),
        ("a {{trim}} b{{newline}}c", "ab\nc"),
        ("{{reverse:{{char}}}}", "liT"),
    ],
)
def test_macros(text: str, made: str) -> None:
    assert expand(text, Values("Til", {"scenario": "At {{user}}'s."})) == made


def test_the_original_stands_once_and_a_players_name_is_never_expanded() -> None:
    assert expand("{{original}}/{{original}}", Values("Til", original="base")) == "base/"
    assert expand("{{original}}", Values("Til")) == "{{original}}"
    assert addressed("Hello {{user}}", "{{char}}") == "Hello {{char}}"


@pytest.mark.parametrize(("dice", "lowest", "highest"), [("20", 1, 20), ("D6", 1, 6), ("100", 1, 100), ("2d6", 2, 12)])
def test_dice_show_all_their_sides(dice: str, lowest: int, highest: int) -> None:
    rolled = {int(expand(f"{number}:{{{{roll:{dice}}}}}", Values("Til")).split(":")[1]) for number in range(3_000)}
    assert (min(rolled), max(rolled)) == (lowest, highest)


def test_chance_is_the_same_each_time_and_macros_cannot_grow_without_end() -> None:
    text = "{{random:" + ",".join(map(str, range(50))) + "}} {{roll:3d100}}"
    assert expand(text, Values("Til")) == expand(text, Values("Til"))
    assert len(expand("{{description}}" * 2_000, Values("Til", {"description": "{{description}}" * 2_000}))) <= 32_000
