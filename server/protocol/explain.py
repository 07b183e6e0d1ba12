"""What is wrong with a message, in one short sentence that names the field and never repeats long input."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from server.errors import ProtocolError
from server.protocol.codes import Code, problem
from server.protocol.messages import ClientMessage, ServerMessage

_MAX_SHOWN_CHARACTERS = 32
_NPC_ID_PATTERN = "^[a-z0-9_-]{1,64}$"

_RULES = {
    "missing": "is missing",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "model_attributes_type": "must be a map",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "has more than {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entry",
    "too_long": "has more than {max_length} entries",
}


def explain(error: ValidationError, values: Mapping[str, Any], *, re: str | None = None) -> ProtocolError:
    """The `ProtocolError` for a message that parsed but is none of the protocol's. `re` is the client's id."""
    first = min(error.errors(include_url=False, include_input=False), key=_rank)
    kind, place = first["type"], first["loc"]
    if kind.startswith("union_tag"):
        return _unknown_type(values.get("type"), re)
    path = _path(place[1:])
    if kind == "extra_forbidden":
        near = _nearest(str(place[-1]), _fields_beside(place))
        return problem(Code.UNKNOWN_FIELD, f"`{place[0]}` has no field `{path}`.{near}", re=re)
    context = first.get("ctx", {})
    if context.get("pattern") == _NPC_ID_PATTERN:
        rule = "must be 1 to 64 of the characters a-z, 0-9, _ and -"
    else:
        rule = _RULES.get(kind, "has a value that is not possible here").format(**context)
    code = Code.TOO_LONG if kind == "string_too_long" else Code.BAD_MESSAGE
    return problem(code, f"`{path}` of `{place[0]}` {rule}.", re=re)


def _rank(detail: Any) -> tuple[bool, int]:
    """A misspelt field first, as it makes the right one missing; then the deepest place, a union's closest reading."""
    return (detail["type"] != "extra_forbidden", -len(detail["loc"]))


def _unknown_type(given: object, re: str | None) -> ProtocolError:
    if given is None:
        return problem(Code.BAD_MESSAGE, "`type` is missing.", re=re)
    if not isinstance(given, str):
        return problem(Code.BAD_MESSAGE, "`type` must be text.", re=re)
    return problem(Code.UNKNOWN_TYPE, f"There is no message `{_shown(given)}`.{_nearest(given, _MODELS)}", re=re)


def _nearest(given: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(given[: 2 * _MAX_SHOWN_CHARACTERS], list(known), n=1, cutoff=0.5)
    return f" Did you mean `{matches[0]}`?" if matches else ""


def _shown(given: str) -> str:
    """A client's own word, short and printable."""
    word = "".join(character if character.isprintable() and character != "`" else "?" for character in given)
    return word if len(word) <= _MAX_SHOWN_CHARACTERS else f"{word[:_MAX_SHOWN_CHARACTERS]}…"


def _path(place: tuple[int | str, ...]) -> str:
    """`present.0.npc`, without the names pydantic gives to the branches of a union."""
    return ".".join(_shown(str(step)) for step in place if isinstance(step, int) or not _is_branch(step))


def _is_branch(step: str) -> bool:
    return step == "constrained-str" or step.startswith("list[")


def _fields_beside(place: tuple[int | str, ...]) -> list[str]:
    """The fields that are known where the last step of `place` is not."""
    model: type[BaseModel] | None = _MODELS.get(str(place[0]))
    for step in place[1:-1]:
        if model is not None and isinstance(step, str) and step in model.model_fields:
            model = next(models_in(model.model_fields[step].annotation), None)
    return list(model.model_fields) if model is not None else []


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that stand anywhere in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


def _by_type(*unions: Any) -> dict[str, type[BaseModel]]:
    return {model.model_fields["type"].default: model for union in unions for model in models_in(union)}


_MODELS = _by_type(ServerMessage, ClientMessage)
