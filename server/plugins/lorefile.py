"""Lore in a YAML file: a list of entries with id, text, keys and who may know it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from server import problems, yamlfile
from server.errors import ModError, YamlError
from server.plugins.hooks import Lore

_Word = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: _Word
    text: Annotated[str, StringConstraints(min_length=1, max_length=512, strip_whitespace=True)]
    keys: Annotated[tuple[_Word, ...], Field(min_length=1, max_length=32)]
    who: Annotated[tuple[_Word, ...], Field(max_length=32)] = ()
    since_hours: Annotated[float, Field(allow_inf_nan=False)] | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    lore: Annotated[tuple[_Entry, ...], Field(max_length=4_096)]


def read_lore(path: Path) -> tuple[Lore, ...]:
    """The entries of a lore file.

    Raises:
        ModError: the file is not there or not right; the message says file, line and field.
    """
    try:
        document = yamlfile.load(path)
    except YamlError as error:
        raise ModError(error.message, error.hint) from error
    try:
        entries = _File.model_validate(document.data).lore
    except ValidationError as error:

        def locate(key: yamlfile.KeyPath) -> tuple[str, int]:
            return str(path), document.line(key)

        raise ModError(str(problems.of_validation(error, _File, document.data, locate)[0])) from error
    return tuple(Lore(entry.id, entry.text, entry.keys, entry.who, entry.since_hours) for entry in entries)
