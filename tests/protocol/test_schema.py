from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from server.protocol.schema import CLIENT_MODELS, CONTENT_TYPES, SERVER_MODELS, asyncapi, json_schema
from tests.protocol.page import examples

SCHEMA = json_schema()


def side(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("frame", examples("client"), ids=lambda frame: frame["type"])
def test_client_examples_fulfil_the_schema(frame: dict[str, Any]) -> None:
    side("ClientMessage").validate(frame)


@pytest.mark.parametrize("frame", examples("server"), ids=lambda frame: frame["type"])
def test_server_examples_fulfil_the_schema(frame: dict[str, Any]) -> None:
    side("ServerMessage").validate(frame)


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"text": "hi"},
        {"type": "say"},
        {"type": "say", "text": "hi", "txt": ""},
        {"type": "load"},
        {"type": "sya"},
    ],
)
def test_the_schema_refuses_what_the_server_refuses(frame: dict[str, Any]) -> None:
    assert not side("ClientMessage").is_valid(frame)


def test_a_client_may_meet_fields_it_does_not_know() -> None:
    assert side("ServerMessage").is_valid({"type": "pong", "seq": 1, "new": True})
    assert not side("ServerMessage").is_valid({"type": "pong"})


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


@pytest.mark.parametrize("document", [SCHEMA, asyncapi()], ids=["json-schema", "asyncapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_asyncapi_has_every_message_in_both_forms_and_directions() -> None:
    document = asyncapi()
    messages = document["components"]["messages"]
    assert len(messages) == 2 * len((*CLIENT_MODELS, *SERVER_MODELS))
    assert {message["contentType"] for message in messages.values()} == set(CONTENT_TYPES.values())
    assert document["channels"]["session"]["address"] == "/v1/ws"
    actions = {operation["action"]: len(operation["messages"]) for operation in document["operations"].values()}
    assert actions == {"receive": 2 * len(CLIENT_MODELS), "send": 2 * len(SERVER_MODELS)}
