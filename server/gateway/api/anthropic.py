"""`/v1/messages` and `/v1/messages/count_tokens`: Anthropic's "Messages" API, for clients that speak only that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, WithJsonSchema

from server.dialogue.completions.wanted import ChatMessage, Tool, Wanted
from server.errors import ApiError
from server.gateway.api.anthropic_answer import MessageAnswer
from server.gateway.api.bodies import MAX_MESSAGES, Body, described, read_body
from server.gateway.api.chat import completions_of
from server.gateway.api.serving import serve
from server.gateway.api.visitors import visitor_of
from server.gateway.api.wants import wanted_of

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_UNSPOKEN = frozenset({"thinking", "redacted_thinking"})


_SYSTEM = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]}
)


class MessagesBody(Body):
    """The request. Content is read by `messages_of`."""

    messages: list[Annotated[dict[str, Any], described("user", "assistant")]] = Field(
        min_length=1, max_length=MAX_MESSAGES
    )
    system: Annotated[Any, _SYSTEM] = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=128)
    tool_choice: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


async def create_message(request: web.Request) -> web.StreamResponse:
    """Answer messages."""
    body = await read_body(request, MessagesBody)
    completions, wanted = completions_of(request), _wanted(body)
    model = body.model or completions.default_route().id
    user = (body.metadata or {}).get("user_id")
    deltas = completions.stream(model, wanted, visitor_of(request, user))
    return await serve(request, deltas, MessageAnswer(model), stream=bool(body.stream))


async def count_tokens(request: web.Request) -> web.StreamResponse:
    """The size of the prompt that the messages would make."""
    body = await read_body(request, MessagesBody)
    return web.json_response({"input_tokens": completions_of(request).count(body.model, _wanted(body))})


def _wanted(body: MessagesBody) -> Wanted:
    messages = (*_system(body.system), *messages_of(body.messages))
    tools = tuple(_tool(tool, f"tools.{at}") for at, tool in enumerate(body.tools or ()))
    return wanted_of(body, messages=messages, n=1, tools=tools, tool_choice=_choice(body.tool_choice, tools))


def messages_of(messages: Sequence[Mapping[str, Any]]) -> tuple[ChatMessage, ...]:
    """The messages; results of tools become messages of their own.

    Raises:
        ApiError: a role is unknown, or a block is no text.
    """
    found: list[ChatMessage] = []
    for at, message in enumerate(messages):
        place, role = f"messages.{at}", message.get("role")
        if role not in ("user", "assistant", "system"):
            raise ApiError(f"{place}: the role is user or assistant.", param=f"{place}.role")
        blocks = _blocks(message.get("content"), f"{place}.content")
        found += [
            ChatMessage("tool", _text(block.get("content"), place)) for block in blocks if _is(block, "tool_result")
        ]
        text = "\n".join(block["text"] for block in blocks if _is(block, "text"))
        calls = [{"name": each.get("name"), "arguments": each.get("input")} for each in blocks if _is(each, "tool_use")]
        if text or calls or not blocks:
            found.append(ChatMessage(role, text, calls=json.dumps(calls, ensure_ascii=False) if calls else ""))
    return tuple(found)


def _system(system: Any) -> tuple[ChatMessage, ...]:
    text = _text(system, "system")
    return (ChatMessage("system", text),) if text else ()


def _text(content: Any, place: str) -> str:
    return "\n".join(block["text"] for block in _blocks(content, place) if _is(block, "text"))


def _blocks(content: Any, place: str) -> list[Mapping[str, Any]]:
    """Content as blocks; a string is one block of text.

    Raises:
        ApiError: a block is of a kind that cannot be read.
    """
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        raise ApiError(f"{place}: content is text or a list of blocks.", param=place)
    return [_checked(block, place) for block in content if not _is(block, *_UNSPOKEN)]


def _checked(block: Any, place: str) -> Mapping[str, Any]:
    match block:
        case {"type": "text", "text": str()} | {"type": "tool_use" | "tool_result"}:
            return dict(block)
        case {"type": str(kind)}:
            raise ApiError(f"{place}: a block of type {kind[:32]!r} cannot be read; only text can.", param=place)
    raise ApiError(f"{place}: a block has a type and a text.", param=place)


def _is(block: Any, *kinds: str) -> bool:
    return isinstance(block, Mapping) and block.get("type") in kinds


def _tool(tool: Mapping[str, Any], place: str) -> Tool:
    name, description, schema = tool.get("name"), tool.get("description"), tool.get("input_schema")
    if not isinstance(name, str) or not name:
        raise ApiError("A tool has a name.", param=place)
    return Tool(
        name[:64], description if isinstance(description, str) else "", schema if isinstance(schema, dict) else {}
    )


def _choice(choice: Mapping[str, Any] | None, tools: Sequence[Tool]) -> str:
    match choice:
        case None:
            return "auto"
        case {"type": "tool", "name": str(name)} if any(tool.name == name for tool in tools):
            return name
        case {"type": str(kind)} if kind in _CHOICES:
            return _CHOICES[kind]
    raise ApiError("tool_choice: auto, any, none, or one of the tools.", param="tool_choice")
