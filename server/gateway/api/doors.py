"""Which address leads where."""

from __future__ import annotations

from aiohttp import web

from server.gateway.api import chat, models, tokens
from server.gateway.api.generations import GENERATIONS, Generations

OPENAI_POSTS = {
    "chat/completions": chat.complete_chat,
    "completions": chat.complete_text,
    "embeddings": chat.refuse_embeddings,
    "tokenize": tokens.tokenize,
    "detokenize": tokens.detokenize,
}


def add_api(app: web.Application) -> None:
    """Open the doors of the HTTP API.

    Each of OpenAI's addresses also leads there with two slashes: that is what a base address typed with one at its end
    becomes.
    """
    app[GENERATIONS] = Generations()
    for base in ("/v1/", "/v1//"):
        app.router.add_get(f"{base}models", models.list_models)
        app.router.add_get(f"{base}models/{{model:.+}}", models.show_model)
        for path, handler in OPENAI_POSTS.items():
            app.router.add_post(f"{base}{path}", handler)
    app.router.add_post("/tokenize", tokens.tokenize)
    app.router.add_post("/detokenize", tokens.detokenize)
    app.router.add_get("/props", tokens.show_props)
