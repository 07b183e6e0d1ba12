"""`/v1/chat/completions`, `/v1/completions` and `/v1/embeddings`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from server.backends.base import Delta, TextDelta
from server.dialogue.completions.service import Completions
from server.dialogue.completions.wanted import Wanted
from server.errors import ApiError
from server.gateway.api.bodies import BODY, ChatBody, CompletionBody, read_body
from server.gateway.api.generations import listed
from server.gateway.api.messages import messages_of, tool_choice_of, tools_of
from server.gateway.api.openai import ChatAnswer, TextAnswer
from server.gateway.api.serving import serve
from server.gateway.api.visitors import visitor_of
from server.gateway.api.wants import format_schema, schema_text, wanted_of
from server.gateway.deps import DEPS


class EmbeddingsBody(BaseModel):
    """`/v1/embeddings`, which is refused whatever it asks for."""

    model_config = BODY

    model: str | None = None
    input: Any = None


def completions_of(request: web.Request) -> Completions:
    """Who answers; the doors of this package are open only where somebody does."""
    completions = request.app[DEPS].completions
    assert completions is not None
    return completions


async def complete_chat(request: web.Request) -> web.StreamResponse:
    """Answer messages."""
    body = await read_body(request, ChatBody)
    completions, wanted = completions_of(request), _chat_wanted(body)
    model = body.model or completions.default_route().id
    answer = ChatAnswer(model, wanted.n, tells_usage=_tells_usage(body))
    deltas = completions.stream(model, wanted, visitor_of(request, body.user))
    return await serve(request, listed(request, body.genkey, deltas), answer, stream=bool(body.stream))


async def complete_text(request: web.Request) -> web.StreamResponse:
    """Go on with a prompt."""
    body = await read_body(request, CompletionBody)
    completions = completions_of(request)
    model = body.model or completions.default_route().id
    wanted = text_wanted(body, completions, model)
    answer = TextAnswer(model, wanted.n, tells_usage=_tells_usage(body))
    deltas = completions.stream(model, wanted, visitor_of(request, body.user))
    if body.echo and wanted.text is not None:
        deltas = _after(wanted.text, wanted.n, deltas)
    return await serve(request, listed(request, body.genkey, deltas), answer, stream=bool(body.stream))


async def refuse_embeddings(request: web.Request) -> web.StreamResponse:
    """Say that there are none."""
    raise ApiError(
        "This server makes no embeddings.",
        "Point the client's embeddings at another server, or turn them off there.",
        code="embeddings_off",
    )


def text_wanted(body: CompletionBody, completions: Completions, model: str | None) -> Wanted:
    """What a completion of a text wants.

    Raises:
        ApiError: the prompt is no text and no list of token ids.
    """
    return wanted_of(body, text=prompt_text(body.prompt, completions, model))


def prompt_text(prompt: Any, completions: Completions, model: str | None) -> str:
    """A prompt as text: it may be text, a list of one text, or token ids of the model.

    Raises:
        ApiError: it is anything else.
    """
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    vocabulary = completions.vocabulary(model)
    if isinstance(prompt, list) and prompt and vocabulary is not None and all(type(each) is int for each in prompt):
        try:
            return vocabulary.text_of(prompt)
        except ValueError as error:
            raise ApiError(f"prompt: {error}.", param="prompt") from error
    raise ApiError("prompt: one text is needed, or the token ids of one.", param="prompt")


def _chat_wanted(body: ChatBody) -> Wanted:
    tools = tools_of(body.tools)
    schema = format_schema(body.response_format) or schema_text(body.json_schema, "json_schema")
    choice = tool_choice_of(body.tool_choice if tools else None, tools)
    wanted = wanted_of(body, messages=messages_of(body.messages), schema=schema, tools=tools, tool_choice=choice)
    if body.continue_final_message is False and body.add_generation_prompt:
        return replace(wanted, keep_open=False)
    return wanted


def _tells_usage(body: ChatBody | CompletionBody) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


async def _after(
    prompt: str, replies: int, deltas: AsyncGenerator[tuple[int, Delta], None]
) -> AsyncGenerator[tuple[int, Delta], None]:
    """The prompt before each reply."""
    async with aclosing(deltas):
        for number in range(replies):
            yield number, TextDelta(prompt)
        async for entry in deltas:
            yield entry
