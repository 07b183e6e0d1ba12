"""`/v1/models`: every route and every NPC, with all fields that some client reads."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from server.dialogue.completions.plain import Model, unknown_model
from server.gateway.api.chat import completions_of
from server.gateway.api.visitors import visitor_of

_STARTED = int(time.time())
NPC_CONTEXT = 1_048_576
"""What is told of an NPC: the server keeps its history, so no client has to leave any out."""


async def list_models(request: web.Request) -> web.StreamResponse:
    """All models."""
    models = await completions_of(request).models(visitor_of(request))
    return web.json_response({"object": "list", "data": [_entry(model) for model in models]})


async def show_model(request: web.Request) -> web.StreamResponse:
    """One model, whose id may hold a slash."""
    models = await completions_of(request).models(visitor_of(request))
    name = request.match_info["model"]
    for model in models:
        if model.id == name:
            return web.json_response(_entry(model))
    raise unknown_model(name, [model.id for model in models])


def _entry(model: Model) -> dict[str, Any]:
    context = model.context or NPC_CONTEXT
    return {
        "id": model.id,
        "object": "model",
        "created": _STARTED,
        "owned_by": "barkeep",
        "name": model.name,
        "context_length": context,
        "max_model_len": context,
        "pricing": {"prompt": "0", "completion": "0"},
    }
