"""Chats over HTTP: the whole server beside the peer, both asked as frontends ask, with the whole history each time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from server.app import Barkeep, settle
from server.backends.llama.backend import LlamaBackend
from server.bench.engine.barkeep import route_of, until_measured
from server.bench.engine.peer import ChatPeer
from server.bench.engine.player import Player, Sample
from server.bench.engine.rows import Row
from server.bench.engine.setup import Setup
from server.config import DialogueSettings, LogSettings, ModSettings, ServerSettings, Settings

ROUTE = "local"
CHATS = 8
ROUNDS = 2
"""Timed turns of each chat."""


class Served(ChatPeer):
    """The server with its one route on the same file, its doors on a free port. `folder` is where its data go."""

    name = "barkeep"

    def __init__(self, setup: Setup, folder: Path) -> None:
        super().__init__("")
        self._settings = _settings(setup, folder)
        self._barkeep: Barkeep | None = None

    async def start(self) -> None:
        """Start the server, and wait until its route is ready.

        Raises:
            BarkeepError: it cannot be.
        """
        self._barkeep = await Barkeep.start(self._settings)
        route = self._barkeep.stage.router.direct(ROUTE)
        assert route is not None  # it is the one that was configured
        assert isinstance(route.backend, LlamaBackend)
        await until_measured(route.backend)
        settle()
        self.at(self._barkeep.url.replace("ws://", "http://").removesuffix("/ws"))
        await super().start()

    async def close(self) -> None:
        """End it."""
        await super().close()
        barkeep, self._barkeep = self._barkeep, None
        if barkeep is not None:
            await barkeep.close()


def row(setup: Setup) -> Row:
    """Chats that take turns. The first round, in which each is new, is not timed."""
    chats = 2 if setup.quick else CHATS

    async def play(player: Player) -> AsyncGenerator[Sample, None]:
        for number in range(chats):
            await player.turn(number)
        for _ in range(ROUNDS):
            for number in range(chats):
                yield await player.turn(number)

    return Row("chats", f"{chats} chats taking turns, over HTTP", play)


def _settings(setup: Setup, folder: Path) -> Settings:
    return Settings(
        server=ServerSettings(host="127.0.0.1", port=0),
        data_dir=folder,
        personas=(),
        mods=ModSettings(folders=(), enabled=()),
        routes={ROUTE: route_of(setup)},
        dialogue=DialogueSettings(order=(ROUTE,)),
        log=LogSettings(level="warning"),
    )
