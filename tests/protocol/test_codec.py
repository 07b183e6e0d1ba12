from __future__ import annotations

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships neither stubs nor py.typed
import pytest

from server.errors import ProtocolError
from server.protocol import messages as m
from server.protocol.codec import Form, decode, decode_server, encode, encode_client, form_of
from server.protocol.codes import ERROR_CODES


def refusal(frame: str | bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(frame)
    assert caught.value.hint == ERROR_CODES[caught.value.code].hint
    return caught.value


def nested(depth: int) -> dict[str, Any]:
    persona: dict[str, Any] = {}
    for _ in range(depth - 2):
        persona = {"a": persona}
    return {"type": "npc", "npc": "a", "persona": persona}


END = m.TurnEnd(
    turn="t",
    npc="hilda",
    reason="failed",
    text="",
    heard="",
    route=m.RouteReport(),
    tokens=m.TokenReport(),
    blocks=[],
    ms=m.Timing(total=1.5),
)


def test_the_form_is_the_kind_of_frame() -> None:
    assert form_of("{}") is Form.JSON
    assert form_of(b"\x80") is Form.MSGPACK


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        ("", "bad_frame", "Not JSON"),
        ("{", "bad_frame", "Not JSON"),
        ("[]", "bad_frame", "map"),
        ('"ping"', "bad_frame", "map"),
        ("null", "bad_frame", "map"),
        ('{"type":"ping"} {}', "bad_frame", "Not JSON"),
        ('{"type":"scene","time":NaN}', "bad_frame", "NaN"),
        ('{"type":"scene","time":-Infinity}', "bad_frame", "-Infinity"),
        ('{"type":"scene","time":1e999}', "bad_frame", "finite"),
        ('{"type":"recall","npc":"a","k":' + "9" * 5_000 + "}", "bad_frame", "64 bits"),
        ('{"type":"recall","npc":"a","k":9223372036854775808}', "bad_frame", "64 bits"),
        ('{"type":"say","text":"\\ud800"}', "bad_frame", "surrogate"),
        ('{"type":"say","text":"hi","\\ud800":1}', "bad_frame", "surrogate"),
        ("[" * 10_000, "bad_frame", "nested"),
        ('{"a":' * 10_000, "bad_frame", "nested"),
        (json.dumps(nested(17)), "bad_frame", "nested"),
        ('{"type":"npc","npc":"a","persona":{"a":[' + ",".join(["0"] * 20_001) + "]}}", "bad_frame", "values"),
        ("x" * 262_145, "bad_frame", "larger"),
        (b"", "bad_frame", "Not MessagePack"),
        (b"\xc1", "bad_frame", "Not MessagePack"),
        (b"\x80", "bad_message", "`type` is missing"),
        (b"\xdd\xff\xff\xff\xff", "bad_frame", "Not MessagePack"),
        (b"\x91" * 10_000, "bad_frame", "Not MessagePack"),
        (b"\x81\xa4type\xa4pi\xff\xff", "bad_frame", "Not MessagePack"),
        (msgpack.packb({"type": "ping"})[:-1], "bad_frame", "Not MessagePack"),
        (msgpack.packb({"type": "ping"}) + b"\xc0", "bad_frame", "Not MessagePack"),
        (msgpack.packb({1: "ping"}), "bad_frame", "Not MessagePack"),
        (msgpack.packb({b"": "ping"}), "bad_frame", "keys"),
        (msgpack.packb({"type": "ping", "id": b"7"}), "bad_frame", "Not MessagePack"),
        (msgpack.packb({"type": "ping", "id": b""}), "bad_frame", "neither"),
        (msgpack.packb({"type": "ping", "id": msgpack.Timestamp(1)}), "bad_frame", "neither"),
        (msgpack.packb({"type": "ping", "id": msgpack.ExtType(5, b"x")}), "bad_frame", "extension type 5"),
        (msgpack.packb({"type": "scene", "time": float("nan")}), "bad_frame", "finite"),
        (msgpack.packb({"type": "recall", "npc": "a", "k": 2**64 - 1}), "bad_frame", "64 bits"),
        (msgpack.packb(nested(17)), "bad_frame", "nested"),
        ("{}", "bad_message", "`type` is missing"),
        ('{"type":null}', "bad_message", "`type` is missing"),
        ('{"type":["say"]}', "bad_message", "`type` must be text"),
        ('{"type":"sya"}', "unknown_type", "Did you mean `say`?"),
        ('{"type":"line","line":0}', "unknown_type", "no message `line`"),
        ('{"type":"say","txt":"hi"}', "unknown_field", "`say` has no field `txt`. Did you mean `text`?"),
        (
            '{"type":"scene","present":[{"npc":"a","nam":"A"}]}',
            "unknown_field",
            "`present.0.nam`. Did you mean `name`?",
        ),
        ('{"type":"say"}', "bad_message", "`text` of `say` is missing"),
        ('{"type":"say","text":""}', "bad_message", "at least 1"),
        ('{"type":"say","text":"hi","to":["Hilda"]}', "bad_message", "`to.0` of `say` must be 1 to 64 of"),
        ('{"type":"say","text":"hi","to":[]}', "bad_message", "`to` of `say`"),
        ('{"type":"say","text":"hi","whisper":1}', "bad_message", "true or false"),
        ('{"type":"played","turn":"t","line":"0"}', "bad_message", "whole number"),
        ('{"type":"played","turn":"t","line":true}', "bad_message", "whole number"),
        ('{"type":"played","turn":"t","line":0,"fraction":2}', "bad_message", "at most 1"),
        ('{"type":"load"}', "bad_message", "`save` of `load` is missing"),
        ('{"type":"npc","npc":"a","persona":[]}', "bad_message", "must be a map"),
        ('{"type":"npc","npc":"a\\n"}', "bad_message", "1 to 64"),
        ('{"type":"hello","protocol":1,"client":{"name":"x"},"stream":"line"}', "bad_message", "'lines' or 'tokens'"),
        (json.dumps({"type": "warm", "npc": "a", "text": "x" * 2_001}), "too_long", "more than 2000"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(frame: str | bytes, code: str, words: str) -> None:
    error = refusal(frame)
    assert (error.code, words in error.message) == (code, True), error.message
    assert len(error.message) < 200


def test_long_input_is_never_repeated() -> None:
    for frame in (
        {"type": "k" * 5_000},
        {"type": "say", "k" * 5_000: 1},
        {"type": "say", "text": "hi", "to": "k" * 5_000},
    ):
        assert "k" * 40 not in refusal(json.dumps(frame)).message


def test_what_is_repeated_can_be_printed() -> None:
    assert refusal(json.dumps({"type": "a\x1b[31m`\u202e"})).message.isprintable()


@pytest.mark.parametrize(
    "bad", [{"type": "sya"}, {"type": "say"}, {"type": "say", "txt": 1}, {"type": "scene", "time": 1e999}]
)
def test_the_clients_id_is_known_where_it_could_be_read(bad: dict[str, Any]) -> None:
    assert refusal(json.dumps({**bad, "id": "m7"}).replace("Infinity", "1e999")).re == "m7"
    assert refusal(json.dumps({**bad, "id": 7}).replace("Infinity", "1e999")).re is None
    assert refusal(json.dumps({**bad, "id": "x" * 129}).replace("Infinity", "1e999")).re is None
    assert refusal(json.dumps(bad).replace("Infinity", "1e999")).re is None


def test_an_id_that_cannot_be_written_is_not_sent_back_as_it_came() -> None:
    error = refusal('{"type":"say","text":"hi","id":"\\ud800"}')
    assert error.re == "\ufffd"


def test_whole_floats_are_whole_numbers_as_lua_writes_them() -> None:
    assert decode(msgpack.packb({"type": "played", "turn": "t", "line": 2.0})) == m.Played(turn="t", line=2)
    assert refusal('{"type":"played","turn":"t","line":2.5}').code == "bad_message"


def test_sixteen_levels_are_deep_enough() -> None:
    assert decode(json.dumps(nested(16))) == decode(msgpack.packb(nested(16)))


def test_brackets_within_text_do_not_count_as_depth() -> None:
    assert decode(json.dumps({"type": "say", "text": '[{"\\' * 50})) == m.Say(text='[{"\\' * 50)


def test_the_size_limit_can_be_set() -> None:
    with pytest.raises(ProtocolError, match="larger than 10 bytes"):
        decode('{"type":"ping"}', max_bytes=10)


def test_type_comes_first_and_empty_fields_are_left_out() -> None:
    assert encode(m.Pong(seq=3), Form.JSON) == '{"type":"pong","seq":3}'
    assert encode(m.Ok(seq=4, re="a", turns=[]), Form.JSON) == '{"type":"ok","seq":4,"re":"a","turns":[]}'


def test_null_stays_where_it_says_something() -> None:
    end = json.loads(encode(END, Form.JSON))
    assert (end["cost_usd"], end["ms"]["queue"], end["ms"]["total"]) == (None, None, 1.5)
    assert end["route"] == {"name": None, "model": None, "attempts": []}
    assert "re" not in end
    assert json.loads(encode_client(m.Load(save=None), Form.JSON)) == {"type": "load", "save": None}
    action = m.Action(turn="t", npc="a", action=0, name="go", args={"to": None})
    assert json.loads(encode(action, Form.JSON))["args"] == {"to": None}
    patch = m.Npc(npc="a", persona={"role": None})
    assert json.loads(encode_client(patch, Form.JSON))["persona"] == {"role": None}


@pytest.mark.parametrize("form", Form)
def test_a_message_goes_out_whatever_a_plug_in_put_into_it(form: Form) -> None:
    args = {"x": float("nan"), "y": [2**70, "\ud800"], "z": object(), "ok": (1, True, None)}
    back = decode_server(encode(m.Action(turn="t", npc="a", action=0, name="go", args=args), form))
    assert isinstance(back, m.Action)
    assert back.args == {"x": None, "y": [None, "\ufffd"], "z": None, "ok": [1, True, None]}


@pytest.mark.parametrize("form", Form)
def test_text_goes_out_as_it_is(form: Form) -> None:
    line = m.Line(turn="t", line=0, npc="a", text="Grüß dich, 旅人 \U0001f469\u200d\U0001f467", duration_ms=1)
    assert decode_server(encode(line, form)) == line


def test_a_client_may_trust_a_server_no_more() -> None:
    with pytest.raises(ProtocolError, match="Did you mean `pong`"):
        decode_server('{"type":"png"}')
