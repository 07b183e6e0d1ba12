"""Who notices what. Decided once, when it happens, and for all uses alike: who remembers it, and who may answer.

The game's own word (`asleep`, `hears`, `sees`) goes before any reckoning. Distances are from the player, so between two
NPCs only the least that they can be apart is known.
"""

from __future__ import annotations

from typing import Literal

from server.dialogue.scene import Person, SceneView
from server.memory.records import Witnessing

Sense = Literal["any", "sight", "hearing"]


def can_be_reached(person: Person) -> bool:
    """Whether words that are meant for this one arrive: one raises one's voice as far as it takes."""
    return not person.asleep and person.hears is not False


def hears_player(view: SceneView, person: Person) -> bool:
    """Whether this one hears what the player says to somebody else."""
    return _hears(view, person, person.distance)


def hearers(view: SceneView) -> tuple[str, ...]:
    """Everyone present who hears the player."""
    return tuple(person.npc for person in view.present if hears_player(view, person))


def hearers_of(view: SceneView, npc: str) -> tuple[str, ...]:
    """Everyone present who may hear `npc`, and itself."""
    speaker = view.person(npc)
    origin = speaker.distance if speaker is not None else None
    return tuple(
        person.npc for person in view.present if person.npc == npc or _hears(view, person, _apart(origin, person))
    )


def witnesses_of(view: SceneView, sense: Sense) -> dict[str, Witnessing]:
    """Everyone present who notices what happens around the player, each with how."""
    noticed: dict[str, Witnessing] = {}
    for person in view.present:
        if person.asleep:
            continue
        hears = sense != "sight" and hears_player(view, person)
        if sense != "hearing" and person.sees is not False:
            noticed[person.npc] = "present"
        elif hears:
            noticed[person.npc] = "heard"
    return noticed


def _hears(view: SceneView, person: Person, distance: float | None) -> bool:
    if person.asleep:
        return False
    if person.hears is not None:
        return person.hears
    return view.hearing is None or distance is None or distance <= view.hearing


def _apart(origin: float | None, person: Person) -> float | None:
    if origin is None or person.distance is None:
        return None
    return abs(origin - person.distance)
