"""JSON from strangers: bounded in size and depth, and without what could not be written back."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from server.errors import CardError

MAX_BYTES: Final = 4 << 20
MAX_DEPTH: Final = 64
_SURROGATES: Final = "surrogatepass"


def loads(data: bytes, what: str = "The card") -> dict[str, Any]:
    """The object in `data`, UTF-8 with or without a byte order mark.

    Raises:
        CardError: it is no such object, longer than `MAX_BYTES` or deeper than `MAX_DEPTH`.
    """
    if len(data) > MAX_BYTES:
        raise CardError(f"{what} is larger than {MAX_BYTES >> 20} MiB of JSON.", "No card needs so much.")
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    except RecursionError:
        raise _too_deep(what) from None
    except ValueError:
        raise CardError(f"{what} is no JSON.", "Export it anew from the program that made it.") from None
    if not isinstance(value, dict):
        raise CardError(f"{what} is JSON, but no object.", "A card begins with an opening brace.")
    _check(value, what)
    return value


def dumps(value: Any, *, indent: int | None = None) -> bytes:
    """JSON that `loads` reads back as the same value; half of a surrogate pair is written as an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, indent=indent).encode()


def clean(text: str) -> str:
    """`text` without what no prompt and no terminal wants: controls, and halves of surrogate pairs."""
    whole = text.encode("utf-16-le", _SURROGATES).decode("utf-16-le", "replace").replace("\r\n", "\n")
    return "".join(char for char in whole if char >= " " or char in "\n\t")


def _check(value: Any, what: str) -> None:
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, float) and not math.isfinite(each):
            raise CardError(f"{what} holds a number that is too large.", "JSON has no infinity.")
        if isinstance(each, dict | list):
            if depth > MAX_DEPTH:
                raise _too_deep(what)
            waiting += [(inner, depth + 1) for inner in (each.values() if isinstance(each, dict) else each)]


def _too_deep(what: str) -> CardError:
    return CardError(f"{what} is nested more than {MAX_DEPTH} deep.", "No card needs that; it may be a trap.")


def _refuse(constant: str) -> None:
    raise ValueError(constant)
