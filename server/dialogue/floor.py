"""The floor: who answers what was said. Rules only, no model is asked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from server.dialogue.scene import Person, SceneView


@dataclass(frozen=True, slots=True)
class FloorDecision:
    """The NPCs that answer, in their order; `why` says why nobody does, or is empty."""

    speakers: tuple[str, ...]
    why: str = ""


def decide(view: SceneView, text: str, to: tuple[str, ...], last_speaker: str | None) -> FloorDecision:
    """Who answers `text`.

    Those it is addressed to (`to`), if they are present or no scene was described; else whom it names; else who spoke
    last; else who is nearest.
    """
    if to:
        absent = [npc for npc in to if view.described and view.person(npc) is None]
        here = tuple(dict.fromkeys(npc for npc in to if npc not in absent))
        return FloorDecision(here, "" if here else f"not present: {', '.join(absent)}")
    if not view.present:
        return FloorDecision((), "nobody is present; send a scene, or say to whom")
    named = tuple(person.npc for person in view.present if _is_named(person, text))
    if named:
        return FloorDecision(named)
    if last_speaker is not None and view.person(last_speaker):
        return FloorDecision((last_speaker,))
    nearest = min(view.present, key=lambda person: math.inf if person.distance is None else person.distance)
    return FloorDecision((nearest.npc,))


def _is_named(person: Person, text: str) -> bool:
    names = {person.name, person.name.split()[0]}
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in names)
