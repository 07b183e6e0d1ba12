"""One persona file: read, checked, and explained by line where it is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from server import problems, yamlfile
from server.errors import YamlError
from server.personas.persona import Persona
from server.problems import Problem
from server.yamlfile import Document, KeyPath

SUFFIXES: Final = (".yaml", ".yml")
_ID: Final = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class PersonaFile:
    """What reading one file came to: a persona, or at least one problem."""

    path: Path
    persona: Persona | None
    problems: tuple[Problem, ...] = ()
    document: Document | None = None

    def problem(self, key: KeyPath, message: str, hint: str = "") -> Problem:
        """A problem of `key` in this file."""
        line = self.document.line(key) if self.document else 0
        return Problem(str(self.path), line, problems.dotted(key), message, hint)


def read(path: Path) -> PersonaFile:
    """Read a persona file. Never raises for what the file says or for a file that cannot be read."""
    try:
        document = yamlfile.load(path)
    except YamlError as error:
        return PersonaFile(path, None, (problems.of_yaml(error),))
    empty = PersonaFile(path, None, (), document)
    if not isinstance(document.data, dict):
        return _refused(empty, empty.problem((), "is not a persona", f"begin with 'id: {path.stem}' and 'name: …'"))
    try:
        persona = Persona.model_validate(document.data)
    except ValidationError as error:
        found = problems.of_validation(error, Persona, document.data, lambda key: (str(path), document.line(key)))
        return _refused(empty, *found)
    if persona.id != path.stem:
        return _refused(empty, _misnamed(empty, persona.id))
    return PersonaFile(path, persona, (), document)


def listed(folder: Path) -> list[Path]:
    """The persona files directly in `folder`, in order of their names.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))


def _refused(file: PersonaFile, *found: Problem) -> PersonaFile:
    return PersonaFile(file.path, None, found, file.document)


def _misnamed(file: PersonaFile, persona_id: str) -> Problem:
    stem = file.path.stem
    hint = f"write 'id: {stem}'" if _ID.fullmatch(stem) else f"rename the file to {persona_id}{file.path.suffix}"
    return file.problem(("id",), f"'{persona_id}' is not the name of the file", hint)
