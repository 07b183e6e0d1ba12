"""Counting tokens for clients, and what the model is like: `/tokenize`, `/detokenize`, `/props` and their like.

Counts come from the vocabulary in this process; they never wait for the engine.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from server.dialogue.completions.plain import Vocabulary
from server.errors import ApiError
from server.gateway.api.bodies import read_json
from server.gateway.api.chat import completions_of

MAX_TOKENS = 1_048_576
CHAT_TEMPLATE = (
    "{{- bos_token -}}{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
"""ChatML, in which prompts that come as one text are understood."""


async def tokenize(request: web.Request) -> web.StreamResponse:
    """llama.cpp's, vLLM's and text-generation-webui's: the ids of a text, special parsing off."""
    body = await _object(request)
    text = next((body[name] for name in ("content", "prompt", "text") if isinstance(body.get(name), str)), None)
    if text is None:
        raise ApiError("content: the text to count is needed.", param="content")
    ids = list(vocabulary_of(request, body.get("model")).tokenise(text))
    return web.json_response({"tokens": ids, "count": len(ids), "length": len(ids)})


async def detokenize(request: web.Request) -> web.StreamResponse:
    """The text of token ids."""
    body = await _object(request)
    tokens = body.get("tokens")
    if not isinstance(tokens, list) or len(tokens) > MAX_TOKENS or not all(type(each) is int for each in tokens):
        raise ApiError("tokens: a list of token ids is needed.", param="tokens")
    try:
        text = vocabulary_of(request, body.get("model")).text_of(tokens)
    except ValueError as error:
        raise ApiError(f"tokens: {error}.", param="tokens") from error
    return web.json_response({"content": text, "prompt": text})


async def show_props(request: web.Request) -> web.StreamResponse:
    """What SillyTavern asks for: the size of the context, and the template."""
    route = completions_of(request).default_route()
    settings = {"n_ctx": route.context or 0, "model": route.name}
    props = {"default_generation_settings": settings, "total_slots": 1, "chat_template": CHAT_TEMPLATE}
    return web.json_response({**props, "model_alias": route.id, "model_path": route.name, "modalities": {}})


def vocabulary_of(request: web.Request, model: Any) -> Vocabulary:
    """What counts the tokens of a model, or of the first local one.

    Raises:
        ApiError: none is loaded.
    """
    vocabulary = completions_of(request).vocabulary(model if isinstance(model, str) else None)
    if vocabulary is None:
        message = "No local model is loaded, so there are no tokens to count with."
        raise ApiError(message, "Wait until /health says ready.", code="no_vocabulary", status=503)
    return vocabulary


async def _object(request: web.Request) -> dict[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise ApiError("The body is no JSON object.")
    return body
