"""Personas that no file holds: those of unknown NPCs, and what a client says about known ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from server import problems
from server.errors import PersonaError
from server.personas.persona import Persona

MAX_DEPTH: Final = 8
_LANGUAGE_TAG: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_GENERIC_CORE: Final = (
    "You live and work here like most people, and know what anyone here knows: the place, the weather, the day's talk. "
    "You are busy but civil. Of great matters you know only rumours."
)


def generic(persona_id: str, name: str | None = None, language: str | None = None) -> Persona:
    """A persona for an NPC that nobody described; without a usable name it is made from the id.

    What is no language tag counts as none, and English is spoken.
    """
    made = persona_id.replace("_", " ").replace("-", " ").strip().title() or persona_id
    persona = Persona(id=persona_id, name=(name or "").strip()[:64].strip() or made, core=_GENERIC_CORE)
    primary, mark, rest = (language or "").replace("_", "-").partition("-")
    tag = f"{primary.lower()}{mark}{rest}"
    return persona.model_copy(update={"language": tag}) if _LANGUAGE_TAG.fullmatch(tag) else persona


def patched(persona: Persona | None, persona_id: str, patch: Mapping[str, Any]) -> Persona:
    """`persona` with a JSON merge patch (RFC 7396) laid over it: maps merge, null takes a field back to its default.

    Without `persona` the patch defines a new one; what it leaves out is as in `generic`.

    Raises:
        PersonaError: the patch names an unknown field, has a value that a persona cannot have, or another id.
    """
    base = (persona or generic(persona_id)).model_dump(mode="json", exclude_defaults=True)
    data = {"id": persona_id, **merged(base, patch)}
    try:
        made = Persona.model_validate(data)
    except ValidationError as error:
        found = problems.of_validation(error, Persona, data, lambda key: ("persona", 0))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PersonaError(f"{persona_id}: {found[0].field}: {found[0].message}{more}", found[0].hint) from None
    if made.id != persona_id:
        raise PersonaError(f"{persona_id}: id: a patch cannot change it", "announce the other NPC with its own id")
    return made


def merged(target: Any, patch: Any, depth: int = 0) -> Any:
    """`target` changed by a JSON merge patch, as section 2 of RFC 7396 defines it; neither argument is changed.

    Raises:
        PersonaError: the patch is nested more than `MAX_DEPTH` deep.
    """
    if not isinstance(patch, Mapping):
        return patch
    if depth >= MAX_DEPTH:
        raise PersonaError(f"is nested more than {MAX_DEPTH} deep", "no field of a persona is")
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value, depth + 1)
    return result
