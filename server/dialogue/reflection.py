"""What NPCs make of what happened, worked out while nobody waits: facts, standings, moods, and what was agreed.

The work goes on from wherever it stopped, as memory knows how far it came; doing it twice changes nothing, and what was
begun before a load writes nothing after it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable

from server.dialogue.stage import Stage
from server.dialogue.world import World
from server.memory.digest import fold
from server.memory.impressions import Impressions, impressions_of

BATCH = 64
"""Events at a time: so few that a reply's own look into memory waits for milliseconds at most."""
GIVES_WAY_S = 2.0
"""So long at most does the work wait for replies that are being made."""
_LOOKS_EVERY_S = 0.05


def reflect(stage: Stage, world: World, npcs: Iterable[str]) -> None:
    """These NPCs have lived through something."""
    world.undigested.update(npcs)
    if world.undigested:
        stage.jobs.start_once(f"reflect:{world.name}", functools.partial(_reflect, stage, world))


async def _reflect(stage: Stage, world: World) -> None:
    await silence(stage)
    while world.undigested:
        await digest(stage, world, world.undigested.pop())


async def silence(stage: Stage) -> None:
    """Wait until no reply is being made, for a while."""
    try:
        async with asyncio.timeout(GIVES_WAY_S):
            while stage.generating:  # noqa: ASYNC110  # a count that turns keep; nothing here is in a hurry
                await asyncio.sleep(_LOOKS_EVERY_S)
    except TimeoutError:
        return


async def digest(stage: Stage, world: World, npc: str) -> None:
    """Bring one NPC up to date."""
    while await stage.memory.extract_facts(BATCH, stage.settings.dialogue.weekdays):
        pass
    while await stage.memory.embed_new(BATCH):
        pass
    derived = stage.memory.derived
    rules, names = rules_of(stage, world, npc), _names(world, npc)
    while (batch := await derived.undigested(world.name, npc, BATCH)) is not None:
        folded = await asyncio.to_thread(fold, batch, rules, names)
        if not await derived.keep_digest(world.name, batch, folded):
            return  # the world went back to a save; whoever moves it there begins anew


def rules_of(stage: Stage, world: World, npc: str) -> Impressions:
    """What leaves an impression on this NPC."""
    persona = world.persona(npc)
    return impressions_of(persona.language, persona.impressions, stage.mods.impressions)


def _names(world: World, npc: str) -> tuple[str, ...]:
    name = world.persona(npc).name
    return tuple(dict.fromkeys((name, name.split()[0])))
