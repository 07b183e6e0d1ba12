"""Whatever comes in, a message or a `ProtocolError` comes out; whatever goes out can be read again."""

from __future__ import annotations

import json
import random
from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships neither stubs nor py.typed
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from server.errors import ProtocolError
from server.protocol.codec import Form, decode, decode_server, encode, encode_client
from server.protocol.codes import ERROR_CODES
from server.protocol.messages import CLIENT_MESSAGE, SERVER_MESSAGE
from server.protocol.schema import CLIENT_MODELS, SERVER_MODELS, json_schema
from tests.protocol.page import examples

FRAMES = 10_000
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**63) - 1, 10**400, float("nan"), float("inf"), 1e308, ""),
    *("\ud800", "\x00", "x" * 3_000, "<|im_end|>", [], {}, [[]], [None] * 70, {"type": "say"}, {"": {"": {}}}),
)


def survives(frame: str | bytes) -> None:
    error: ProtocolError | None = None
    try:
        decode(frame)
    except ProtocolError as refusal:
        error = refusal
    if error is not None:
        assert error.code in ERROR_CODES
        assert 0 < len(error.message) < 300
        (error.message + error.hint + (error.re or "")).encode("utf-8")


def mutated(rng: random.Random, value: Any) -> Any:
    """`value` with something in it replaced, dropped, doubled or nested."""
    if rng.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return rng.choice(STRANGE)
    if isinstance(value, list):
        at = rng.randrange(len(value))
        return [*value[:at], mutated(rng, value[at]), *value[at:]]
    key = rng.choice(list(value))
    match rng.randrange(4):
        case 0:
            return {other: inner for other, inner in value.items() if other != key}
        case 1:
            return {**value, rng.choice(["x", key + "s", "", "id", "type", "\ud800"]): rng.choice(STRANGE)}
        case 2:
            nested: Any = value
            for _ in range(rng.choice([1, 15, 16, 17, 60])):
                nested = {key: nested} if rng.random() < 0.5 else [nested]
            return {**value, key: nested}
    return {**value, key: mutated(rng, value[key])}


def as_frame(rng: random.Random, value: Any) -> str | bytes:
    if rng.random() < 0.5:
        text = json.dumps(value)
        at = rng.randrange(len(text))
        cut = (text[:at], text[:at] + rng.choice('{}[]",:\\\x00é9-eN') + text[at:], text[at:] + text, text)
        return rng.choice([text, *cut])
    try:
        packed = bytes(msgpack.packb(value, unicode_errors="surrogatepass"))
    except (OverflowError, ValueError):
        packed = rng.randbytes(rng.randrange(64))
    at = rng.randrange(len(packed) + 1)
    broken = packed[:at] + rng.randbytes(1) + packed[at + 1 :]
    return rng.choice([packed, packed[:at], broken, packed + b"\xc0", rng.randbytes(rng.randrange(200))])


def test_ten_thousand_mutated_frames_raise_nothing_but_protocol_errors() -> None:
    rng = random.Random(8642)
    seeds = [*examples("client"), *examples("server")]
    for _ in range(FRAMES):
        value: Any = rng.choice(seeds)
        for _ in range(rng.randrange(4)):
            value = mutated(rng, value)
        survives(as_frame(rng, value))


@given(st.binary(max_size=300))
def test_random_bytes(frame: bytes) -> None:
    survives(frame)


@given(st.text(max_size=300) | st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u', max_size=300))
def test_random_text(frame: str) -> None:
    survives(frame)


@given(st.integers(1, 10_000), st.sampled_from(["[", '{"a":', '[{"a":', '"', "[1,", "\\"]))
def test_deep_json(depth: int, piece: str) -> None:
    survives(piece * depth)


@given(st.integers(1, 10_000), st.sampled_from([b"\x91", b"\x81\xa1a", b"\xdc\x00\x01", b"\xdf\x00\x00\x00\x01\xa1a"]))
def test_deep_msgpack(depth: int, piece: bytes) -> None:
    survives(piece * depth)
    survives(piece * depth + b"\xc0")


TEXT_CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.text(TEXT_CHARACTERS)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DEFINITIONS: dict[str, Any] = json_schema()["$defs"]


def from_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of ours allows."""
    if "$ref" in schema:
        return from_schema(DEFINITIONS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of(*map(from_schema, schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"].replace("$", r"\Z"))
        case "string":
            return st.text(
                TEXT_CHARACTERS, min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 40), 40)
            )
        case "integer":
            return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1))
        case "number":
            return st.floats(schema.get("minimum", -1e9), schema.get("maximum", 1e9))
        case "array":
            return st.lists(from_schema(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case "object" if "properties" in schema:
            fields = {name: from_schema(field) for name, field in schema["properties"].items()}
            required = {name: fields.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=fields)
        case "object":
            return st.dictionaries(TEXT, ANYTHING, max_size=3)
        case simple:
            return {"boolean": st.booleans(), "null": st.none()}[simple]


@pytest.mark.parametrize("model", CLIENT_MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("form", Form)
@settings(max_examples=30)
@given(data=st.data())
def test_every_client_message_comes_back_as_it_was(form: Form, model: type[BaseModel], data: st.DataObject) -> None:
    message = CLIENT_MESSAGE.validate_python(data.draw(from_schema(DEFINITIONS[model.__name__])))
    assert decode(encode_client(message, form)) == message


@pytest.mark.parametrize("model", SERVER_MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("form", Form)
@settings(max_examples=30)
@given(data=st.data())
def test_every_server_message_comes_back_as_it_was(form: Form, model: type[BaseModel], data: st.DataObject) -> None:
    message = SERVER_MESSAGE.validate_python(data.draw(from_schema(DEFINITIONS[model.__name__])))
    assert decode_server(encode(message, form)) == message
