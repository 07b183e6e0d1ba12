"""Chat messages, tools and tool choices as OpenAI's dialect writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from server.dialogue.completions.wanted import ChatMessage, ChatRole, Tool
from server.errors import ApiError

_ROLES: Mapping[str, ChatRole] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_MAX_NAME = 64


def messages_of(messages: Sequence[Mapping[str, Any]]) -> tuple[ChatMessage, ...]:
    """The messages, whatever their order: nothing is required to alternate.

    Raises:
        ApiError: a role is unknown, or a content is no text.
    """
    return tuple(_message(message, f"messages.{at}") for at, message in enumerate(messages))


def text_of(content: Any, place: str) -> str:
    """A content that is text, absent, or a list of text parts.

    Raises:
        ApiError: it holds anything else.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ApiError(f"{place}: content is text or a list of text parts.", param=place)
    return "\n".join(_part(part, place) for part in content)


def tools_of(tools: Sequence[Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """The functions among the tools.

    Raises:
        ApiError: one has no name.
    """
    found = []
    for at, tool in enumerate(tools or ()):
        function = tool.get("function", tool)
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ApiError("A tool is a function with a name.", param=f"tools.{at}")
        parameters = function.get("parameters")
        description = function.get("description")
        found.append(
            Tool(
                function["name"][:_MAX_NAME],
                description if isinstance(description, str) else "",
                parameters if isinstance(parameters, dict) else {},
            )
        )
    return tuple(found)


def tool_choice_of(choice: Any, tools: Sequence[Tool]) -> str:
    """`auto`, `none`, `required`, or the name of the one tool that must be called.

    Raises:
        ApiError: it names none of the tools.
    """
    match choice:
        case None:
            return "auto"
        case "auto" | "none" | "required":
            return str(choice)
        case {"function": {"name": str(name)}} | {"name": str(name)} if any(tool.name == name for tool in tools):
            return name
    raise ApiError("tool_choice: auto, none, required, or one of the tools.", param="tool_choice")


def _message(message: Mapping[str, Any], place: str) -> ChatMessage:
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise ApiError(f"{place}: the role is one of {', '.join(_ROLES)}.", param=f"{place}.role")
    text = text_of(message.get("content"), f"{place}.content")
    calls, name = message.get("tool_calls"), message.get("name")
    return ChatMessage(
        _ROLES[role],
        text,
        name[:_MAX_NAME] if isinstance(name, str) else "",
        _calls(calls) if isinstance(calls, list) and calls else "",
    )


def _part(part: Any, place: str) -> str:
    match part:
        case str():
            return part
        case {"text": str(text)} | {"refusal": str(text)}:
            return text
        case {"type": str(kind)}:
            raise ApiError(f"{place}: a part of type {kind[:32]!r} cannot be read; only text can.", param=place)
    raise ApiError(f"{place}: a part has a type and a text.", param=place)


def _calls(calls: Sequence[Any]) -> str:
    """Calls that the assistant made, as they stand in a prompt."""
    functions = [call.get("function") for call in calls if isinstance(call, Mapping)]
    told = [
        {"name": function.get("name"), "arguments": function.get("arguments")}
        for function in functions
        if isinstance(function, Mapping)
    ]
    return json.dumps(told, ensure_ascii=False)
