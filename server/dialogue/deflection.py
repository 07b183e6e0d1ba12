"""What an NPC says when nobody could answer for it: never the error, always something in character."""

from __future__ import annotations

import random
from collections.abc import Sequence

from server.backends.authored import pick
from server.personas import deflections
from server.personas.persona import Persona


def deflection(persona: Persona, recent: Sequence[str], rng: random.Random) -> str:
    """One of the persona's deflections, or of its language's, that was not said lately if there is one."""
    common = deflections.common(persona.language).deflections
    pools = (persona.authored.deflections, common)
    return pick(pools, recent, rng) or rng.choice(common)
