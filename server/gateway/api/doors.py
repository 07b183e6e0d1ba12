"""Which address leads where."""

from __future__ import annotations

from aiohttp import web

from server.gateway.api import anthropic, chat, kobold, llamacpp, models, tokens
from server.gateway.api.generations import GENERATIONS, Generations

V1_POSTS = {
    "chat/completions": chat.complete_chat,
    "completions": chat.complete_text,
    "embeddings": chat.refuse_embeddings,
    "messages": anthropic.create_message,
    "messages/count_tokens": anthropic.count_tokens,
    "tokenize": tokens.tokenize,
    "detokenize": tokens.detokenize,
}
ROOT_POSTS = {
    "/tokenize": tokens.tokenize,
    "/detokenize": tokens.detokenize,
    "/completion": llamacpp.complete,
    **kobold.POSTS,
}
ROOT_GETS = {"/props": tokens.show_props, **kobold.GETS}


def add_api(app: web.Application) -> None:
    """Open the doors of the HTTP API.

    Each address under `/v1` also leads there with two slashes: that is what a base address typed with one at its end
    becomes.
    """
    app[GENERATIONS] = Generations()
    for base in ("/v1/", "/v1//"):
        app.router.add_get(f"{base}models", models.list_models)
        app.router.add_get(f"{base}models/{{model:.+}}", models.show_model)
        for path, handler in V1_POSTS.items():
            app.router.add_post(f"{base}{path}", handler)
    for path, handler in ROOT_POSTS.items():
        app.router.add_post(path, handler)
    for path, handler in ROOT_GETS.items():
        app.router.add_get(path, handler)
