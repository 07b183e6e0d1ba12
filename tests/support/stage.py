"""A whole dialogue room on real memory and scripted routes, and a client without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from server.backends.base import Backend, Delta, Progress, Request
from server.config import BudgetSettings, DialogueSettings, LimitSettings, RoutingSettings, ServerSettings, Settings
from server.dialogue.session import Session
from server.dialogue.sessions import Sessions
from server.dialogue.stage import Stage
from server.memory.store import Memory
from server.personas.library import PersonaLibrary
from server.plugins.mods import Mods
from server.protocol import messages as m
from server.routing.router import Router
from server.routing.spending import Purse
from tests.support.routes import Route

PATIENCE_S = 10.0
M = TypeVar("M", bound=m.ServerMessage)

PERSONA = """
id: {id}
name: {name}
role: tests things
core: You are {name}, and you are here to be tested.
authored:
  greetings: ["Well met, says {name}."]
  deflections: ["Ask me another, says {name}.", "Not now, says {name}."]
"""


def write_personas(folder: Path, **names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for persona_id, name in names.items():
        (folder / f"{persona_id}.yaml").write_text(PERSONA.format(id=persona_id, name=name), encoding="utf-8")
    return folder


class Client:
    """Speaks through a session and reads its outbox, as a transport would."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.connection = session.attach()
        self.seen: list[m.ServerMessage] = []
        self._cursor = 0
        self._arrived = asyncio.Event()
        self._reader = asyncio.create_task(self._read(), name="test client")

    async def _read(self) -> None:
        while True:
            message = await self.session.outbox.next(self.connection)
            self.seen.append(message)
            self.session.outbox.taken(self.connection, message.seq)
            self._arrived.set()

    async def drop(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        self.session.detach(self.connection)

    async def ask(self, message: m.ClientMessage) -> m.ServerMessage:
        """Say something with an id, and wait for its own answer."""
        assert message.id is not None
        before = len(self.seen)
        await self.session.handle(message)
        return await self._find(lambda seen: seen.re == message.id and isinstance(seen, _ANSWERS), before)

    async def next(self, kind: type[M], **fields: Any) -> M:
        """The next message of this kind with these fields that was not returned yet."""
        found = await self._find(
            lambda seen: isinstance(seen, kind) and all(getattr(seen, k) == v for k, v in fields.items()), self._cursor
        )
        self._cursor = self.seen.index(found) + 1
        assert isinstance(found, kind)
        return found

    async def _find(self, matches: Any, start: int) -> m.ServerMessage:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for message in self.seen[start:]:
                    if matches(message):
                        return message
                self._arrived.clear()
                await self._arrived.wait()

    def all(self, kind: type[M]) -> list[M]:
        return [message for message in self.seen if isinstance(message, kind)]


_ANSWERS = (m.Ok, m.Error, m.Memories, m.StateReport, m.Pong)


class House:
    """A stage with its sessions and clients."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.sessions = Sessions(stage)
        self.clients: list[Client] = []

    async def enter(self, *present: str, **hello: Any) -> Client:
        """A new client, with these NPCs present."""
        client = Client(await self.sessions.open(hello_of(**hello)))
        self.clients.append(client)
        if present:
            await client.ask(m.Scene(id="scene", present=[m.Present(npc=npc) for npc in present]))
        return client


def hello_of(**fields: Any) -> m.Hello:
    return m.Hello(**{"protocol": 1, "client": m.ClientInfo(name="test"), **fields})


@asynccontextmanager
async def house(
    tmp_path: Path,
    *routes: Backend,
    mods: Mods | None = None,
    personas: Sequence[tuple[str, str]] = (),
    limits: LimitSettings | None = None,
    budget: BudgetSettings | None = None,
    purse: Purse | None = None,
    routing: RoutingSettings | None = None,
    **settings: Any,
) -> AsyncIterator[House]:
    """A house whose NPCs are hilda, ansel and corrie. `settings` override the dialogue section."""
    named = dict(personas) or {"hilda": "Hilda", "ansel": "Ansel", "corrie": "Corrie"}
    folder = write_personas(tmp_path / "personas", **named)
    library = PersonaLibrary((folder,))
    library.load()
    memory = await Memory.open(tmp_path / "data")
    dialogue = DialogueSettings(**{"order": tuple(route.name for route in routes), **settings})
    whole = Settings(
        data_dir=tmp_path / "data",
        dialogue=dialogue,
        server=ServerSettings(limits=limits or LimitSettings()),
        budget=budget or BudgetSettings(),
        routing=routing or RoutingSettings(),
    )
    stage = Stage(whole, memory, library, Router(routes, whole.routing, spending=purse), mods or Mods())
    stage.purse = purse or stage.purse
    made = House(stage)
    try:
        yield made
    finally:
        for client in made.clients:
            await client.drop()
        await made.sessions.close()
        await stage.jobs.close()
        await stage.router.close()
        await memory.close()


class Recording(Route):
    """Keeps the texts of each prompt it was asked with, and of each that it was to read ahead."""

    prompts: list[list[str]]
    read: list[list[str]]

    def __init__(self, name: str, *steps: object) -> None:
        super().__init__(name, *steps)  # type: ignore[arg-type]  # passed on as they are
        self.prompts = []
        self.read = []

    def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.prompts.append(_texts(request))
        return super().generate(request)

    def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        self.read.append(_texts(request))
        return super().warm(request)


def _texts(request: Request) -> list[str]:
    return [getattr(segment, "text", "") for segment in request.prompt.segments]


def say(text: str = "Any rooms left?", **fields: object) -> m.Say:
    return m.Say(**{"id": "s1", "text": text, "to": "hilda", **fields})  # type: ignore[arg-type]  # tests name fields freely
