"""What is played: each row is one way in which players meet and leave characters, the same for every contestant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from server.bench.engine.player import Player, Sample
from server.bench.engine.setup import Setup

PAST_EXCHANGES = 8
UNDONE_TURNS = 2

Play = Callable[[Player], AsyncGenerator[Sample, None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `prepares`, `restarts`: only contestants that can take part."""

    key: str
    title: str
    play: Play
    prepares: bool = False
    restarts: bool = False

    @property
    def kind(self) -> str:
        """Its key in `server.bench.engine.setup.KEYS`."""
        return self.key.partition("_")[0] if self.key.startswith("switching") else self.key

    def takes_part(self, player: Player) -> bool:
        """Whether that player's contestant can do what the row needs."""
        able = player.contestant
        return (able.prepares or not self.prepares) and (able.restarts or not self.restarts)


def rows(setup: Setup) -> list[Row]:
    """All of them, in the order in which they are played."""
    taking_turns = [Row(f"switching_{npcs}", f"{npcs} NPCs taking turns", _switching(npcs)) for npcs in setup.npcs]
    return [
        Row("first_contact", "first contact", _first_contact),
        Row("appended", "later turn, history appended", _appended),
        Row("warmed", "later turn, warmed while the player types", _warmed, prepares=True),
        Row("scene", "scene changes every turn", _scene),
        Row("scene_on_top", "the same, scene above the rules (old way)", _scene_on_top),
        *taking_turns,
        Row("heard_differs", "heard text differs from the generated", _heard_differs),
        Row("load", f"a save loaded, {UNDONE_TURNS} turns undone", _load),
        Row("shrunk", "history shrunk, not prepared", _shrunk),
        Row("shrunk_prepared", "history shrunk, prepared at idle", _shrunk_prepared, prepares=True),
        Row("restart", "first contact after a restart", _restart, restarts=True),
    ]


async def _first_contact(player: Player) -> AsyncGenerator[Sample, None]:
    for number in range(player.setup.few):
        yield await player.turn(number)


async def _appended(player: Player) -> AsyncGenerator[Sample, None]:
    await player.turn(0)
    for _ in range(player.setup.turns):
        yield await player.turn(0)


async def _warmed(player: Player) -> AsyncGenerator[Sample, None]:
    await player.turn(0)
    for _ in range(player.setup.turns):
        yield await player.turn(0, ahead=True)


async def _scene(player: Player) -> AsyncGenerator[Sample, None]:
    await player.turn(1)
    for turn in range(player.setup.turns):
        yield await player.turn(1, scene=player.writer.scene(f"turn {turn}"))


async def _scene_on_top(player: Player) -> AsyncGenerator[Sample, None]:
    conversation = player.conversation(1)
    for turn in range(player.setup.few):
        conversation.top = player.writer.scene(f"top {turn}")
        yield await player.turn(1)
    conversation.top = ""


def _switching(npcs: int) -> Play:
    async def play(player: Player) -> AsyncGenerator[Sample, None]:
        for number in range(npcs):
            if not player.knows(number):
                await player.turn(number)
        for number in range(npcs):
            yield await player.turn(number)

    return play


async def _heard_differs(player: Player) -> AsyncGenerator[Sample, None]:
    await player.turn(0, interrupt=True)
    for _ in range(player.setup.few):
        yield await player.turn(0, interrupt=True)


async def _load(player: Player) -> AsyncGenerator[Sample, None]:
    for _ in range(player.setup.few):
        for _ in range(UNDONE_TURNS + 1):
            await player.turn(1)
        player.conversation(1).rewind(UNDONE_TURNS)
        yield await player.turn(1)


async def _shrunk(player: Player) -> AsyncGenerator[Sample, None]:
    for number in range(player.setup.few):
        await _grow_and_shrink(player, number)
        yield await player.turn(number)


async def _shrunk_prepared(player: Player) -> AsyncGenerator[Sample, None]:
    for number in range(player.setup.few):
        await _grow_and_shrink(player, number)
        await player.read_ahead(number)
        yield await player.turn(number)


async def _restart(player: Player) -> AsyncGenerator[Sample, None]:
    await asyncio.sleep(player.setup.idle_s)
    await player.contestant.close()
    await player.contestant.start()
    for number in range(player.setup.few):
        yield await player.turn(number)


async def _grow_and_shrink(player: Player, number: int) -> None:
    player.remember(number, PAST_EXCHANGES)
    await player.turn(number)
    conversation = player.conversation(number)
    conversation.shrink(player.writer.summary(f"{number} {len(conversation.exchanges)}"))
