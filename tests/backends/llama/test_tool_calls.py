from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.backends.base import ToolCall
from server.backends.llama.tool_calls import MAX_CALLS, parse_tool_calls

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9_999, 9_999) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}[a-z]", fullmatch=True).filter(lambda name: name.isidentifier())


@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, VALUES, max_size=3)), min_size=1, max_size=4))
def test_calls_in_pythons_notation_are_read_back(calls: list[tuple[str, dict[str, object]]]) -> None:
    from keyword import iskeyword

    calls = [
        (f"{name}_", {f"{key}_": value for key, value in arguments.items() if not iskeyword(f"{key}_")})
        for name, arguments in calls
    ]
    text = ", ".join(
        f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})" for name, arguments in calls
    )
    assert parse_tool_calls(f"[{text}]") == tuple(ToolCall(name, arguments) for name, arguments in calls)


@given(st.text(max_size=200))
def test_whatever_else_is_there_is_no_call_and_no_error(text: str) -> None:
    assert all(isinstance(call, ToolCall) for call in parse_tool_calls(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "give()x",
        "[give(3)]",
        "[give(**all)]",
        "[a.b(c=1)]",
        "[give(x=open('f'))]",
        "[give(x={1})]",
        "7",
        "(" * 5_000,
    ],
)
def test_what_is_not_a_call_with_plain_named_arguments_is_left_out(text: str) -> None:
    assert parse_tool_calls(text) == ()


def test_one_call_needs_no_list_and_json_is_read_too() -> None:
    assert parse_tool_calls(" wave(to='you') ") == (ToolCall("wave", {"to": "you"}),)
    assert parse_tool_calls('[{"name": "wave", "arguments": {"to": null}}]') == (ToolCall("wave", {"to": None}),)
    assert parse_tool_calls('{"name": "wave"}') == (ToolCall("wave", {}),)
    assert parse_tool_calls('[{"name": 3}, {"name": "wave", "arguments": 3}, 5]') == ()


def test_there_are_never_too_many_calls() -> None:
    assert len(parse_tool_calls(f"[{', '.join(['wave()'] * 90)}]")) == MAX_CALLS
    assert parse_tool_calls(f"[{', '.join(['wave()'] * 9_000)}]") == ()
