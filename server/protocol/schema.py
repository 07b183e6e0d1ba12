"""The protocol described for machines: a JSON Schema and an AsyncAPI document, both made from the message models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server.protocol.explain import models_in
from server.protocol.messages import PROTOCOL_VERSION, ClientMessage, ServerMessage

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI_VERSION = "3.0.0"
CONTENT_TYPES = {"json": "application/json", "msgpack": "application/vnd.msgpack"}
"""By form; the second is the name under which IANA lists MessagePack."""

_DEFS = "#/$defs/"
_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"
_CHANNEL = "#/channels/session"

CLIENT_MODELS = tuple(models_in(ClientMessage))
SERVER_MODELS = tuple(models_in(ServerMessage))


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that every message of either side fulfils.

    `$defs/ClientMessage` and `$defs/ServerMessage` are the two sides. Clients ignore fields they do not know, so server
    messages allow more fields than are named; client messages do not.
    """
    return {
        "$schema": JSON_SCHEMA_DIALECT,
        "title": f"Barkeep protocol, version {PROTOCOL_VERSION}",
        "anyOf": [{"$ref": f"{_DEFS}ClientMessage"}, {"$ref": f"{_DEFS}ServerMessage"}],
        "$defs": {
            "ClientMessage": {"oneOf": [{"$ref": f"{_DEFS}{model.__name__}"} for model in CLIENT_MODELS]},
            "ServerMessage": {"oneOf": [{"$ref": f"{_DEFS}{model.__name__}"} for model in SERVER_MODELS]},
            **_definitions(_DEFS),
        },
    }


def asyncapi() -> dict[str, Any]:
    """An AsyncAPI 3.0 document of the websocket, seen from the server, each message in both forms."""
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Barkeep",
            "version": f"{PROTOCOL_VERSION}.0.0",
            "description": "Text frames carry JSON, binary frames MessagePack; both hold the same maps.",
        },
        "defaultContentType": CONTENT_TYPES["json"],
        "servers": {"local": {"host": "127.0.0.1:8642", "protocol": "ws"}},
        "channels": {
            "session": {
                "address": "/v1/ws",
                "messages": {name: {"$ref": f"{_MESSAGES}{name}"} for name in _names((*CLIENT_MODELS, *SERVER_MODELS))},
            }
        },
        "operations": {
            "clientSays": _operation("receive", CLIENT_MODELS),
            "serverSays": _operation("send", SERVER_MODELS),
        },
        "components": {
            "messages": {
                name: _message(model, form)
                for model in (*CLIENT_MODELS, *SERVER_MODELS)
                for form, name in zip(CONTENT_TYPES, _names((model,)), strict=True)
            },
            "schemas": _definitions(_SCHEMAS),
        },
    }


def _definitions(prefix: str) -> dict[str, Any]:
    """The schema of every model, with `prefix` before the names it refers to."""
    _, document = models_json_schema(
        [(model, "validation") for model in (*CLIENT_MODELS, *SERVER_MODELS)], ref_template=f"{prefix}{{model}}"
    )
    definitions: dict[str, Any] = document["$defs"]
    for model in CLIENT_MODELS:
        _require(definitions[model.__name__], "type")
    for model in SERVER_MODELS:
        _require(definitions[model.__name__], "type", "seq")
        definitions[model.__name__].pop("additionalProperties", None)
    return definitions


def _require(definition: dict[str, Any], *fields: str) -> None:
    """Fields that have a default in Python, but stand in every frame."""
    definition["required"] = [*fields, *definition.get("required", ())]


def _names(models: tuple[type[BaseModel], ...]) -> list[str]:
    return [f"{model.__name__}.{form}" for model in models for form in CONTENT_TYPES]


def _operation(action: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    messages = [{"$ref": f"{_CHANNEL}/messages/{name}"} for name in _names(models)]
    return {"action": action, "channel": {"$ref": _CHANNEL}, "messages": messages}


def _message(model: type[BaseModel], form: str) -> dict[str, Any]:
    return {
        "name": model.model_fields["type"].default,
        "summary": (model.__doc__ or "").partition("\n")[0],
        "contentType": CONTENT_TYPES[form],
        "payload": {"$ref": f"{_SCHEMAS}{model.__name__}"},
    }
