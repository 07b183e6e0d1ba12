"""The HTTP API described for machines (OpenAPI 3.1), made from the list of doors and the models of their bodies."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from pydantic import AliasChoices, BaseModel
from pydantic.json_schema import models_json_schema

from server import __version__
from server.gateway.api.doors import Door, doors

_SCHEMAS = "#/components/schemas/"
_JSON = "application/json"
_EVENTS = "text/event-stream"
_REFUSALS = {
    "401": "The server wants its token.",
    "403": "A web page of this origin may not use the server.",
    "421": "The server does not answer to that host name.",
}
_OF_BODIES = {
    "400": "The body cannot be used; `param` names the field.",
    "408": "The body did not come in time.",
    "413": "The body is too long.",
    "415": "The body is no JSON.",
}
_OF_MODELS = {"404": "There is no such model."}
_OF_REPLIES = {
    "409": "The NPC does not answer.",
    "429": "The route asks for patience, or its daily limit is reached.",
    "500": "The server made a mistake.",
    "502": "The route failed.",
    "504": "The reply took too long.",
}
_MODEL = {"type": "string", "examples": ["local", "npc/hilda"]}
_NOT_READY = {"503": "What is asked for is not loaded."}


def add_document(app: web.Application) -> None:
    """Serve the document. It cannot change while the program runs, so it is made once."""
    described = json.dumps(document()).encode()

    async def show(request: web.Request) -> web.StreamResponse:
        return web.Response(body=described, content_type="application/json")

    app.router.add_get("/openapi.json", show)


def document() -> dict[str, Any]:
    """The OpenAPI document of every door of the HTTP API."""
    described = list(doors())
    paths: dict[str, dict[str, Any]] = {}
    for door in described:
        paths.setdefault(door.path, {})[door.method.lower()] = _operation(door)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Barkeep",
            "version": __version__,
            "description": "Routes and NPCs as models, for clients of OpenAI, Anthropic, llama.cpp and KoboldCpp.",
        },
        "paths": paths,
        "security": [{}, {"token": []}, {"key": []}],
        "components": {
            "schemas": {**_bodies(described), "Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


_ERROR = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code", "hint"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
                "hint": {"type": "string"},
            },
        },
    },
}


def _operation(door: Door) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{door.method.lower()}{door.path.translate(str.maketrans('/{}.', '____'))}",
        "summary": door.summary,
        "responses": {"200": _success(door), **{status: _refusal(why) for status, why in _statuses(door).items()}},
    }
    if "{model}" in door.path:
        operation["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": _MODEL}]
    if door.body is not None:
        schema = {"$ref": f"{_SCHEMAS}{door.body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    return operation


def _statuses(door: Door) -> dict[str, str]:
    """What a door may answer besides 200, and why."""
    asks_model = "model" in door.path or (door.body is not None and "model" in door.body.model_fields)
    return {
        **_REFUSALS,
        **(_OF_BODIES if door.body is not None else {}),
        **(_OF_MODELS if asks_model or door.method == "GET" else {}),
        **(_OF_REPLIES if door.streams or "results" in door.gives else {}),
        **_NOT_READY,
    }


def _success(door: Door) -> dict[str, Any]:
    schema = {"type": "object", "required": list(door.gives)}
    content: dict[str, Any] = {_JSON: {"schema": schema}} if door.gives or not door.streams else {}
    if door.streams:
        content[_EVENTS] = {}
    return {"description": "The answer.", "content": content}


def _refusal(why: str) -> dict[str, Any]:
    return {"description": why, "content": {_JSON: {"schema": {"$ref": f"{_SCHEMAS}Error"}}}}


def _bodies(described: list[Door]) -> dict[str, Any]:
    """The schemas of all bodies; a field that has several names stands under each."""
    models = {door.body.__name__: door.body for door in described if door.body is not None}
    _, found = models_json_schema(
        [(model, "validation") for model in models.values()], ref_template=f"{_SCHEMAS}{{model}}"
    )
    schemas: dict[str, Any] = found["$defs"]
    for name, model in models.items():
        properties = schemas[name]["properties"]
        for field, others in _other_names(model):
            properties |= {other: {"description": f"The same as `{field}`.", **properties[field]} for other in others}
    return schemas


def _other_names(model: type[BaseModel]) -> list[tuple[str, list[str]]]:
    found = []
    for info in model.model_fields.values():
        if isinstance(info.validation_alias, AliasChoices):
            first, *others = (str(choice) for choice in info.validation_alias.choices)
            found.append((first, others))
    return found
