"""What a modder should know about persona files before an NPC speaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from server.personas import loader
from server.personas.loader import PersonaFile
from server.personas.persona import Persona
from server.problems import Problem
from server.yamlfile import nearest

CoreTokens = Callable[[Persona], int]
"""Tokens of the shared rules and of what a persona always has in the prompt."""


def check(
    folders: Sequence[Path],
    core_tokens: CoreTokens | None = None,
    prompt_tokens: int | None = None,
    *,
    routes: Collection[str] | None = None,
) -> list[Problem]:
    """Every problem in the persona files of `folders`, in their order; reads the files anew.

    With `core_tokens` and `prompt_tokens` (the prompt's budget, in tokens) a persona whose core takes more than half of
    the budget is a problem too; with `routes`, the names of those that there are, one that asks for another is.
    """
    files, found = _read(folders)
    known = {file.persona.id for file in files if file.persona} | {file.path.stem for file in files}
    for file in files:
        found += file.problems
        if file.persona is None:
            continue
        found += _gaps(file, file.persona)
        found += _strangers(file, file.persona, known)
        if routes is not None:
            found += _no_routes(file, file.persona, routes)
        if core_tokens is not None and prompt_tokens is not None:
            found += _size(file, core_tokens(file.persona), prompt_tokens)
    return found


def _read(folders: Sequence[Path]) -> tuple[list[PersonaFile], list[Problem]]:
    files: list[PersonaFile] = []
    found: list[Problem] = []
    for folder in folders:
        try:
            here = [loader.read(path) for path in loader.listed(folder)]
        except OSError as error:
            found.append(Problem(str(folder), 0, "", f"cannot be read: {error.strerror or error}"))
            continue
        files += here
        found += _twins(here)
    return files, found


def _twins(files: Sequence[PersonaFile]) -> Iterator[Problem]:
    stems: dict[str, PersonaFile] = {}
    for file in files:
        first = stems.setdefault(file.path.stem, file)
        if first is not file:
            yield file.problem(("id",), f"has the same id as {first.path.name}", "remove one of the two files")


def _gaps(file: PersonaFile, persona: Persona) -> Iterator[Problem]:
    if not persona.core:
        yield file.problem(("core",), "is empty", "say in a few sentences who this is")
    authored = persona.authored
    written = file.document is not None and "authored" in file.document.data
    if written and not any((authored.greetings, authored.topics, authored.farewells, authored.deflections)):
        hint = "write greetings, topics, farewells or deflections, or leave authored out"
        yield file.problem(("authored",), "has no lines", hint)


def _strangers(file: PersonaFile, persona: Persona, known: set[str]) -> Iterator[Problem]:
    for other in persona.relations:
        if other == persona.id:
            yield file.problem(("relations", other), "is this persona itself", "say it in core")
        elif other not in known:
            near = nearest(other, known - {persona.id})
            hint = f"did you mean '{near}'?" if near else "write its file, or take the relation out"
            yield file.problem(("relations", other), "is no persona", hint)


def _no_routes(file: PersonaFile, persona: Persona, routes: Collection[str]) -> Iterator[Problem]:
    for place, name in enumerate(persona.routes):
        if name not in routes:
            near = nearest(name, routes)
            hint = f"did you mean '{near}'?" if near else f"config.yaml has {', '.join(routes)}"
            yield file.problem(("routes", place), f"'{name}' is no route of config.yaml, and is passed over", hint)


def _size(file: PersonaFile, tokens: int, prompt_tokens: int) -> Iterator[Problem]:
    if tokens > prompt_tokens // 2:
        message = f"takes {tokens} tokens with the rules, more than half of budget.prompt_tokens ({prompt_tokens})"
        yield file.problem(("core",), message, "shorten core and voice; lists such as knowledge may stay long")
