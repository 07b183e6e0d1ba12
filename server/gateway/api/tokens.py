"""Counting tokens for clients, and what the model is like: `/tokenize`, `/detokenize`, `/props` and their like.

Counts come from the vocabulary in this process; they never wait for the engine.
"""

from __future__ import annotations

import asyncio

from aiohttp import web
from pydantic import AliasChoices, BaseModel, Field

from server.dialogue.completions.plain import Vocabulary
from server.errors import ApiError
from server.gateway.api.bodies import BODY, read_body
from server.gateway.api.chat import completions_of

MAX_TOKENS = 1_048_576
CHAT_TEMPLATE = (
    "{{- bos_token -}}{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' -}}"
    "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
"""ChatML, in which prompts that come as one text are understood."""


MOST_AT_ONCE = 16_384
"""Characters of a text that is read beside the event loop when it is longer."""


class TextBody(BaseModel):
    """A text to count, under the names that llama.cpp, vLLM and text-generation-webui give it."""

    model_config = BODY

    text: str = Field(validation_alias=AliasChoices("content", "prompt", "text"))
    model: str | None = None


class TokensBody(BaseModel):
    """Token ids."""

    model_config = BODY

    tokens: list[int] = Field(max_length=MAX_TOKENS)
    model: str | None = None


async def tokenize(request: web.Request) -> web.StreamResponse:
    """The ids of a text, in which no spelling of a control token counts as one."""
    body = await read_body(request, TextBody)
    ids = await ids_of(request, body)
    return web.json_response({"tokens": ids, "count": len(ids), "length": len(ids)})


async def ids_of(request: web.Request, body: TextBody) -> list[int]:
    """The ids of the body's text.

    Raises:
        ApiError: no local model is loaded.
    """
    tokenise = vocabulary_of(request, body.model).tokenise
    if len(body.text) > MOST_AT_ONCE:
        return list(await asyncio.to_thread(tokenise, body.text))
    return list(tokenise(body.text))


async def detokenize(request: web.Request) -> web.StreamResponse:
    """The text of token ids."""
    body = await read_body(request, TokensBody)
    try:
        text = vocabulary_of(request, body.model).text_of(body.tokens)
    except ValueError as error:
        raise ApiError(f"tokens: {error}.", param="tokens") from error
    return web.json_response({"content": text, "prompt": text})


async def show_props(request: web.Request) -> web.StreamResponse:
    """What SillyTavern asks for: the size of the context, and the template."""
    route = completions_of(request).default_route()
    settings = {"n_ctx": route.context or 0, "model": route.name}
    props = {"default_generation_settings": settings, "total_slots": 1, "chat_template": CHAT_TEMPLATE}
    return web.json_response({**props, "model_alias": route.id, "model_path": route.name, "modalities": {}})


def vocabulary_of(request: web.Request, model: str | None) -> Vocabulary:
    """What counts the tokens of a model, or of the first local one.

    Raises:
        ApiError: none is loaded.
    """
    vocabulary = completions_of(request).vocabulary(model)
    if vocabulary is None:
        message = "No local model is loaded, so there are no tokens to count with."
        raise ApiError(message, "Wait until /health says ready.", code="no_vocabulary", status=503)
    return vocabulary
