"""Frames to messages and back, in JSON (text frames) and MessagePack (binary frames).

A frame is hostile until it is a message: size, depth, number of values, kinds of values and text are checked before any
field is looked at, and whatever is wrong ends as a `ProtocolError` that never repeats what was sent at length.
"""

from __future__ import annotations

import json
import math
import re
from enum import StrEnum
from typing import Any, NoReturn

import msgpack  # type: ignore[import-untyped]  # ships neither stubs nor py.typed
from pydantic import ValidationError

from server.errors import ProtocolError
from server.protocol.codes import Code, problem
from server.protocol.explain import explain
from server.protocol.messages import (
    CLIENT_MESSAGE,
    SERVER_MESSAGE,
    Action,
    ClientMessage,
    Load,
    Npc,
    Save,
    ServerMessage,
    TurnEnd,
)

MAX_FRAME_BYTES = 262_144
MAX_DEPTH = 16
MAX_VALUES = 20_000
MAX_KEYS = 1_024
INTEGERS = range(-(2**63), 2**63)
_MAX_INTEGER_DIGITS = 20
_MAX_EXACT_FLOAT = 2.0**53
_MAX_ID_CHARACTERS = 128

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|([\[{])|([\]}])', re.DOTALL)


class Form(StrEnum):
    """How messages are written."""

    JSON = "json"
    MSGPACK = "msgpack"


def form_of(frame: str | bytes) -> Form:
    """The form of a frame: text frames are JSON, binary frames MessagePack."""
    return Form.JSON if isinstance(frame, str) else Form.MSGPACK


def decode(frame: str | bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> ClientMessage:
    """Reads what a client sent.

    Types are strict (`"1"` is no number, `1` no truth value), but a whole number may be written as a float, as Lua
    writes it.

    Raises:
        ProtocolError: `bad_frame`, `bad_message`, `unknown_type`, `unknown_field` or `too_long`; its `re` is the
            client's id where it could be read.
    """
    values = _parse(frame, max_bytes)
    try:
        return CLIENT_MESSAGE.validate_python(values, strict=True)
    except ValidationError as error:
        raise explain(error, values, re=_client_id(values)) from None


def decode_server(frame: str | bytes) -> ServerMessage:
    """Reads what a server sent, for clients; the frame is trusted no more than a client's.

    Raises:
        ProtocolError: as `decode`.
    """
    values = _parse(frame, max_bytes=64 * MAX_FRAME_BYTES)
    try:
        return SERVER_MESSAGE.validate_python(values, strict=True)
    except ValidationError as error:
        raise explain(error, values) from None


def encode(message: ServerMessage, form: Form) -> str | bytes:
    """Writes a server message: `str` for JSON, `bytes` for MessagePack.

    Fields without a value are left out, except where null says something: `cost_usd`, each of `ms`, `route.name` and
    `route.model` of `turn.end`, and whatever is null inside `args`.
    """
    values = message.model_dump(exclude_none=True)
    if isinstance(message, TurnEnd):
        values["cost_usd"] = message.cost_usd
        values["ms"] = message.ms.model_dump()
        values["route"] = message.route.model_dump()
    elif isinstance(message, Action):
        values["args"] = message.args
    return _write({"type": values.pop("type"), **values}, form)


def encode_client(message: ClientMessage, form: Form) -> str | bytes:
    """Writes a client message; null is kept in `save.save`, `load.save` and inside `persona`."""
    values = message.model_dump(exclude_none=True)
    if isinstance(message, Load | Save):
        values["save"] = message.save
    elif isinstance(message, Npc) and message.persona is not None:
        values["persona"] = message.persona
    return _write({"type": values.pop("type"), **values}, form)


def _parse(frame: str | bytes, max_bytes: int) -> Any:
    if len(frame) > max_bytes:
        raise problem(Code.BAD_FRAME, f"The frame is larger than {max_bytes} bytes.")
    values = _from_json(frame) if isinstance(frame, str) else _from_msgpack(frame)
    try:
        _check(values)
    except ProtocolError as error:
        error.re = _client_id(values)
        raise
    return values


def _from_json(frame: str) -> Any:
    if frame.count("[") + frame.count("{") > MAX_DEPTH and _depth(frame) > MAX_DEPTH:
        raise problem(Code.BAD_FRAME, f"The message is nested deeper than {MAX_DEPTH} levels.")
    try:
        return json.loads(frame, parse_constant=_no_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise problem(Code.BAD_FRAME, f"Not JSON: {error.msg} at character {error.pos}.") from None


def _depth(frame: str) -> int:
    """How deep brackets nest outside strings; counted before parsing, so that no depth exhausts the parser's stack."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(frame):
        if match[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif match[2]:
            depth -= 1
    return deepest


def _no_constant(name: str) -> NoReturn:
    raise problem(Code.BAD_FRAME, f"{name} is not JSON; leave the field out or send a number.")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_INTEGER_DIGITS:  # converting thousands of digits takes quadratic time
        raise problem(Code.BAD_FRAME, "A whole number does not fit 64 bits.")
    return int(digits)


def _no_extension(code: int, data: bytes) -> NoReturn:
    raise problem(Code.BAD_FRAME, f"MessagePack extension type {code} is not used here.")


def _from_msgpack(frame: bytes) -> Any:
    size = len(frame)
    try:
        return msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            ext_hook=_no_extension,
            max_str_len=size,
            max_bin_len=0,
            max_array_len=min(size, MAX_VALUES),
            max_map_len=min(size, MAX_KEYS),
        )
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        # All that msgpack raises for bad bytes: incomplete, extra, nested, over a limit, bad UTF-8, a key of bad type.
        raise problem(Code.BAD_FRAME, f"Not MessagePack: {type(error).__name__}.") from None


def _check(root: Any) -> None:
    """Refuses every value that no message may hold; whole floats become integers, in place."""
    if not isinstance(root, dict):
        raise problem(Code.BAD_FRAME, "A message is a map with `type`.")
    level: list[dict[Any, Any] | list[Any]] = [root]
    count = 0
    for _ in range(MAX_DEPTH):
        below: list[dict[Any, Any] | list[Any]] = []
        for container in level:
            count += len(container)
            if count > MAX_VALUES:
                raise problem(Code.BAD_FRAME, f"The message holds more than {MAX_VALUES} values.")
            below.extend(_check_container(container))
        if not below:
            return
        level = below
    raise problem(Code.BAD_FRAME, f"The message is nested deeper than {MAX_DEPTH} levels.")


def _check_container(container: dict[Any, Any] | list[Any]) -> list[dict[Any, Any] | list[Any]]:
    """Checks one container's own values and returns the containers in it."""
    inner: list[dict[Any, Any] | list[Any]] = []
    if isinstance(container, dict):
        for key in container:
            if not isinstance(key, str):
                raise problem(Code.BAD_FRAME, "The keys of a map are text.")
            _check_text(key)
    for key, value in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(value, dict | list):
            inner.append(value)
        elif isinstance(value, str):
            _check_text(value)
        elif isinstance(value, float):
            container[key] = _checked_float(value)
        elif value is not None and not isinstance(value, int):
            raise problem(Code.BAD_FRAME, "A value is neither text, number, truth value, list, map nor null.")
        elif value is not None and value not in INTEGERS:
            raise problem(Code.BAD_FRAME, "A whole number does not fit 64 bits.")
    return inner


def _checked_float(value: float) -> float:
    """`value`, as an integer where it is whole."""
    if not math.isfinite(value):
        raise problem(Code.BAD_FRAME, "A number is not finite.")
    return int(value) if value.is_integer() and abs(value) <= _MAX_EXACT_FLOAT else value


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise problem(Code.BAD_FRAME, "A text holds half a surrogate pair.") from None


def _client_id(values: Any) -> str | None:
    """The client's id of a message that is otherwise wrong."""
    client_id = values.get("id") if isinstance(values, dict) else None
    if not isinstance(client_id, str) or not 0 < len(client_id) <= _MAX_ID_CHARACTERS:
        return None
    return _scrubbed(client_id)


def _write(values: dict[str, Any], form: Form) -> str | bytes:
    try:
        return _written(values, form)
    except (ValueError, TypeError, OverflowError):
        # A surrogate, NaN, a huge integer or an object: from a plug-in or a model, as no client's message holds them.
        return _written(_writable(values), form)


def _written(values: dict[str, Any], form: Form) -> str | bytes:
    if form is Form.MSGPACK:
        return bytes(msgpack.packb(values))
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if not text.isascii():
        text.encode("utf-8")
    return text


def _writable(value: Any) -> Any:
    """`value` with what no frame can carry replaced: surrogates by U+FFFD, objects, NaN and huge integers by null."""
    match value:
        case str():
            return _scrubbed(value)
        case dict():
            return {_scrubbed(str(key)): _writable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_writable(inner) for inner in value]
        case float():
            return value if math.isfinite(value) else None
        case int():
            return value if value in INTEGERS else None
    return None


def _scrubbed(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)


__all__ = [
    "MAX_DEPTH",
    "MAX_FRAME_BYTES",
    "Form",
    "ProtocolError",
    "decode",
    "decode_server",
    "encode",
    "encode_client",
    "form_of",
]
