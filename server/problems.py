"""What is wrong with a file that a person wrote: one line per problem, with the nearest thing that would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from server.errors import YamlError
from server.yamlfile import KeyPath, nearest

_KEYS_SHOWN: Final = 16

# pydantic's error types in the words of a person who edits a file; what is missing here keeps pydantic's own words.
_PLAIN: Final = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "string_type": "must be text",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
    "too_long": "has more than {max_length} entries",
    "too_short": "needs at least {min_length}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake in `file`, or in another source such as `environment`.

    `line` counts from 1, 0 is unknown; `field` is dotted, and empty for the whole.
    """

    file: str
    line: int
    field: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{self.field}: {self.message}" if self.field else self.message
        return f"{place}: {what} ({self.hint})" if self.hint else f"{place}: {what}"


Locate = Callable[[KeyPath], tuple[str, int]]
"""Says in which file and line a key stands."""


def of_yaml(error: YamlError) -> Problem:
    """The problem that made a file unreadable."""
    return Problem(error.source, error.line, "", error.problem, error.hint)


def of_validation(error: ValidationError, model: type[BaseModel], data: Any, locate: Locate) -> list[Problem]:
    """Readable problems of `data`, which `model` refused, by line; none of them repeats a value that `data` holds.

    pydantic reports a union once per member and names members inside the location; here each key has one problem.
    """
    merged: dict[KeyPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False, include_context=True, include_input=False):
        merged.setdefault(_path(details, data), []).append(details)
    found = [_problem(path, details, model, data, locate) for path, details in merged.items()]
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def dotted(path: KeyPath) -> str:
    """`("a", 0, "b")` as `a[0].b`, with keys cut at 64 characters."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in path)
    return text.removeprefix(".")


def annotations_at(model: type[BaseModel], path: KeyPath, data: Any = None) -> tuple[Any, ...]:
    """The types that may stand at `path` in `model`: several where a union leaves it open, none for an unknown key.

    Where `data` is given, its literal values (such as `kind`) choose among the members of a union.
    """
    found: tuple[Any, ...] = (model,)
    for part in path:
        found = tuple(child for each in found for member in _members(each, data) for child in _children(member, part))
        data = _child(data, part)
    return tuple(member for each in found for member in _members(each, data))


def _problem(path: KeyPath, details: list[ErrorDetails], model: type[BaseModel], data: Any, locate: Locate) -> Problem:
    file, line = locate(path)
    first = details[0]
    message = " or ".join(dict.fromkeys(_message(each) for each in details)).replace(" or must be ", " or ")
    hint = _key_hint(path, model, data) if first["type"] == "extra_forbidden" else _value_hint(first, path, data)
    return Problem(file, line, dotted(path), message, hint)


def _path(details: ErrorDetails, data: Any) -> KeyPath:
    """The location of an error without the names of union members, which are no keys of the file."""
    path: list[str | int] = []
    for at, part in enumerate(details["loc"]):
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            path.append(part)
            data = _child(data, part)
        elif details["type"] == "missing" and at == len(details["loc"]) - 1:
            path.append(part)
    return tuple(path)


def _message(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind in _PLAIN:
        return _PLAIN[kind].format_map(context)
    if kind == "value_error":
        return str(context["error"])
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        name = context["discriminator"].strip("'")
        return (
            f"{name} must be one of {context['expected_tags']}"
            if "expected_tags" in context
            else f"needs the key {name}"
        )
    return details["msg"].replace("Input should be ", "must be ")


def _value_hint(details: ErrorDetails, path: KeyPath, data: Any) -> str:
    value = data
    for part in path:
        value = _child(value, part)
    match details["type"]:
        case "string_type" if isinstance(value, bool | int | float):
            return "put the value in quotes"
        case "string_type" if isinstance(value, dict):
            return "put text that holds ': ' in quotes"
        case "tuple_type" | "list_type" if isinstance(value, str):
            return "write it as [value], or with '- ' before each entry"
        case "literal_error" if isinstance(value, str):
            return _meant(value, details.get("ctx", {}).get("expected", ""))
        case "union_tag_invalid" if isinstance(value, dict):
            context = details.get("ctx", {})
            return _meant(str(context["tag"]), context["expected_tags"])
    return ""


def _meant(value: str, quoted: str) -> str:
    """The nearest of the choices that pydantic lists as `'a', 'b' or 'c'`."""
    near = nearest(value, quoted.split("'")[1::2])
    return f"did you mean '{near}'?" if near else ""


def _key_hint(path: KeyPath, model: type[BaseModel], data: Any) -> str:
    keys: list[str] = []
    for member in annotations_at(model, path[:-1], data):
        if isinstance(member, type) and issubclass(member, BaseModel):
            keys += member.model_fields
    near = nearest(str(path[-1]), keys)
    if near:
        return f"did you mean '{near}'?"
    return f"valid keys: {', '.join(keys)}" if len(keys) <= _KEYS_SHOWN else ""


def _members(annotation: Any, data: Any) -> Iterator[Any]:
    """The types in a union, without its annotations."""
    if hasattr(annotation, "__metadata__"):
        yield from _members(get_args(annotation)[0], data)
    elif get_args(annotation) and get_origin(annotation) not in (tuple, list, dict, Literal):
        members = [member for each in get_args(annotation) for member in _members(each, data)]
        yield from [member for member in members if _fits(member, data)] or members
    else:
        yield annotation


def _fits(member: Any, data: Any) -> bool:
    """False where a literal key of `data`, such as `kind`, speaks for another member of the union."""
    if not (isinstance(member, type) and issubclass(member, BaseModel) and isinstance(data, Mapping)):
        return True
    kinds = {name: get_args(field.annotation) for name, field in member.model_fields.items() if _is_literal(field)}
    return all(data[name] in kind for name, kind in kinds.items() if name in data)


def _is_literal(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal


def _children(annotation: Any, part: str | int) -> Iterable[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found = annotation.model_fields.get(str(part))
        return () if found is None else (found.annotation,)
    if get_origin(annotation) is dict and isinstance(part, str):
        return (get_args(annotation)[1],)
    if get_origin(annotation) in (tuple, list) and isinstance(part, int):
        return (get_args(annotation)[0],)
    return ()


def _child(data: Any, part: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(part)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return None
