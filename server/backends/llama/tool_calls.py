"""LFM2's tool calls: a list of calls in Python's notation, `[give(item="key", count=2)]`, between two control tokens.

The form is told in LFM2's model card; some of its fine-tunes write JSON instead, `[{"name": …, "arguments": {…}}]`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from server.backends.base import ToolCall

MAX_CALLS = 16
MAX_CHARACTERS = 16_384


def parse_tool_calls(text: str) -> tuple[ToolCall, ...]:
    """The calls in `text`, its control tokens taken off; none where it is anything else, however odd."""
    if len(text) > MAX_CHARACTERS:
        return ()
    try:
        return tuple(_python(text))[:MAX_CALLS]
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return _json(text)[:MAX_CALLS]


def _python(text: str) -> list[ToolCall]:
    body = ast.parse(text.strip(), mode="eval").body
    items = body.elts if isinstance(body, ast.List) else [body]
    return [_call(item) for item in items]


def _call(node: ast.expr) -> ToolCall:
    """One call, its arguments all named and plain.

    Raises:
        ValueError: it is anything else.
    """
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise ValueError("not a call with named arguments")
    arguments = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("an argument without a name")
        # What is evaluated is data alone: literal_eval calls nothing and looks nothing up.
        arguments[keyword.arg] = _plain(ast.literal_eval(keyword.value))
    return ToolCall(node.func.id, arguments)


def _plain(value: Any) -> object:
    """`value` as JSON would give it back.

    Raises:
        ValueError: JSON has no such value.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except TypeError as error:
        raise ValueError("a value that JSON does not have") from error


def _json(text: str) -> tuple[ToolCall, ...]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    items = parsed if isinstance(parsed, list) else [parsed]
    return tuple(ToolCall(item["name"], dict(item.get("arguments") or {})) for item in items if _is_call(item))


def _is_call(item: object) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        return False
    return isinstance(item.get("arguments") or {}, Mapping)
