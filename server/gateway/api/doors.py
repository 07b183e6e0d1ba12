"""Which address leads where: one list, from which both the router and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel

from server.gateway.api import anthropic, chat, kobold, llamacpp, models, tokens
from server.gateway.api.bodies import ChatBody, CompletionBody
from server.gateway.api.generations import GENERATIONS, Generations
from server.gateway.guard import Handler


@dataclass(frozen=True, slots=True)
class Door:
    """One address. `gives` are the fields that its answer always has; `streams`: the answer may be one of events."""

    method: str
    path: str
    handler: Handler
    body: type[BaseModel] | None = None
    gives: tuple[str, ...] = ()
    streams: bool = False

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.handler.__doc__ or "").partition("\n")[0]


_CHOICES = ("id", "object", "created", "model", "choices", "usage")
_MODEL = ("id", "object", "created", "owned_by", "context_length")
_RESULTS = ("results",)

V1 = (
    Door("GET", "models", models.list_models, gives=("object", "data")),
    Door("GET", "models/{model}", models.show_model, gives=_MODEL),
    Door("POST", "chat/completions", chat.complete_chat, ChatBody, _CHOICES, streams=True),
    Door("POST", "completions", chat.complete_text, CompletionBody, _CHOICES, streams=True),
    Door("POST", "embeddings", chat.refuse_embeddings, chat.EmbeddingsBody),
    Door(
        "POST", "messages", anthropic.create_message, anthropic.MessagesBody, ("id", "content", "usage"), streams=True
    ),
    Door("POST", "messages/count_tokens", anthropic.count_tokens, anthropic.MessagesBody, ("input_tokens",)),
    Door("POST", "tokenize", tokens.tokenize, tokens.TextBody, ("tokens", "count")),
    Door("POST", "detokenize", tokens.detokenize, tokens.TokensBody, ("content",)),
)
"""Under `/v1/`."""

ROOT = (
    Door("POST", "/tokenize", tokens.tokenize, tokens.TextBody, ("tokens", "count")),
    Door("POST", "/detokenize", tokens.detokenize, tokens.TokensBody, ("content",)),
    Door("GET", "/props", tokens.show_props, gives=("default_generation_settings", "chat_template")),
    Door("POST", "/completion", llamacpp.complete, CompletionBody, ("content", "stop"), streams=True),
    Door("GET", "/api/v1/model", kobold.model, gives=("result",)),
    Door("GET", "/api/v1/info/version", kobold.version, gives=("result",)),
    Door("GET", "/api/v1/config/max_context_length", kobold.context, gives=("value",)),
    Door("GET", "/api/v1/config/max_length", kobold.length, gives=("value",)),
    Door("POST", "/api/v1/generate", kobold.generate, kobold.GenerateBody, _RESULTS),
    Door("GET", "/api/extra/version", kobold.extra_version, gives=("result", "version")),
    Door("GET", "/api/extra/true_max_context_length", kobold.context, gives=("value",)),
    Door("GET", "/api/extra/perf", kobold.perf, gives=("idle", "queue")),
    Door("POST", "/api/extra/tokencount", kobold.count, tokens.TextBody, ("value", "ids")),
    Door("POST", "/api/extra/generate/stream", kobold.stream, kobold.GenerateBody, streams=True),
    Door("GET", "/api/extra/generate/check", kobold.check, gives=_RESULTS),
    Door("POST", "/api/extra/generate/check", kobold.check, kobold.KeyBody, _RESULTS),
    Door("POST", "/api/extra/abort", kobold.abort, kobold.KeyBody, ("success",)),
)


def doors() -> Iterator[Door]:
    """All of them, each under the address that is meant."""
    for door in V1:
        yield Door(door.method, f"/v1/{door.path}", door.handler, door.body, door.gives, door.streams)
    yield from ROOT


def add_api(app: web.Application) -> None:
    """Open the doors of the HTTP API.

    Each address under `/v1` also leads there with two slashes: that is what a base address typed with one at its end
    becomes.
    """
    app[GENERATIONS] = Generations()
    for door in doors():
        path = door.path.replace("{model}", "{model:.+}")  # an NPC's id holds a slash
        for address in {path, path.replace("/v1/", "/v1//") if path.startswith("/v1/") else path}:
            app.router.add_route(door.method, address, door.handler)
