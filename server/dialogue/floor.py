"""The floor: who answers what was said. Rules only, no model is asked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from server.dialogue.perception import can_be_reached, hears_player
from server.dialogue.scene import Person, SceneView


@dataclass(frozen=True, slots=True)
class FloorDecision:
    """The NPCs that answer, in their order; `why` says why nobody does, or is empty."""

    speakers: tuple[str, ...]
    why: str = ""


def decide(view: SceneView, text: str, to: tuple[str, ...], last_speaker: str | None) -> FloorDecision:
    """Who answers `text`.

    Those it is addressed to (`to`), if they are present and awake or no scene was described; else, of those who hear
    it, whom it names; else who spoke last; else who is nearest.
    """
    if to:
        return _addressed(view, tuple(dict.fromkeys(to)))
    if not view.present:
        return FloorDecision((), "nobody is present; send a scene, or say to whom")
    here = [person for person in view.present if hears_player(view, person)]
    if not here:
        return FloorDecision((), "nobody who is present can hear it")
    named = tuple(person.npc for person in here if _is_named(person, text))
    last = tuple(person.npc for person in here if person.npc == last_speaker)
    if named or last:
        return FloorDecision(named or last)
    nearest = min(here, key=lambda person: math.inf if person.distance is None else person.distance)
    return FloorDecision((nearest.npc,))


def _addressed(view: SceneView, to: tuple[str, ...]) -> FloorDecision:
    absent = [npc for npc in to if view.described and view.person(npc) is None]
    deaf = [npc for npc in to if (person := view.person(npc)) is not None and not can_be_reached(person)]
    here = tuple(npc for npc in to if npc not in absent and npc not in deaf)
    reasons = {"not present": absent, "cannot hear it": deaf}
    why = "; ".join(f"{reason}: {', '.join(npcs)}" for reason, npcs in reasons.items() if npcs)
    return FloorDecision(here, "" if here else why)


def _is_named(person: Person, text: str) -> bool:
    names = {person.name, person.name.split()[0]}
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in names)
