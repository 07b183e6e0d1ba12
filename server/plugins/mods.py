"""The mods that run, each in a failure domain of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog

from server.errors import BarkeepError, ModError
from server.memory.impressions import Impression
from server.plugins.hooks import ActionCall, ActionKind, Happening, Heard, Lore, ModSession, Reaction, Rewind, TimeJump
from server.plugins.loader import LoadedMod, load_mod
from server.protocol.messages import Hello

log = structlog.get_logger(__name__)

START_S = 10.0
STOP_S = 5.0
MAX_FAILURES = 5
"""After so many failed hooks a mod is left out: it would fail on every turn."""

OpenSession = Callable[[Hello], Awaitable[ModSession]]
T = TypeVar("T")


class ModHost:
    """What one mod is given: its folder, sessions, and tasks that end with it."""

    def __init__(self, name: str, folder: Path, open_session: OpenSession, on_failure: Callable[[str], None]) -> None:
        self.folder = folder
        self._name = name
        self._open_session = open_session
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions: list[ModSession] = []

    async def open_session(self, hello: Hello) -> ModSession:
        """Open a session; it is left when the mod stops."""
        session = await self._open_session(hello)
        self._sessions.append(session)
        return session

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task that ends with the mod."""
        task = asyncio.get_running_loop().create_task(self._guarded(work), name=f"mod:{self._name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the mod's tasks and leave its sessions."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self._sessions:
            await session.close()

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # the plug-in border
            self._on_failure(f"{type(error).__name__}: {error}")


class Mods:
    """All mods. `problems` says which were left out and why."""

    def __init__(self, mods: Iterable[LoadedMod] = (), problems: Iterable[ModError] = ()) -> None:
        self._mods = {mod.manifest.name: mod for mod in mods}
        self._hosts: dict[str, ModHost] = {}
        self._failures: dict[str, int] = {}
        self.problems: list[ModError] = list(problems)
        self.lore: tuple[Lore, ...] = ()
        self.moods: tuple[str, ...] = ()
        self.impressions: tuple[Impression, ...] = ()
        self.actions: Mapping[str, ActionKind] = {}

    @classmethod
    def load(cls, folders: Sequence[Path], enabled: Sequence[str]) -> Mods:
        """Load the enabled mods; a broken one is noted in `problems` and left out."""
        mods, problems = [], []
        for name in dict.fromkeys(enabled):
            try:
                mods.append(load_mod(name, folders))
            except ModError as error:
                problems.append(error)
        return cls(mods, problems)

    @property
    def names(self) -> list[str]:
        """The mods that run."""
        return list(self._mods)

    @property
    def persona_folders(self) -> list[Path]:
        """Folders of personas that mods bring."""
        return [mod.personas for mod in self._mods.values() if mod.personas is not None]

    async def start(self, open_session: OpenSession) -> None:
        """Start every mod and ask what it brings; one that fails is left out."""
        for name, mod in list(self._mods.items()):
            host = ModHost(name, mod.folder, open_session, lambda what, name=name: self._failed(name, what))  # type: ignore[misc]  # the default binds this round's name
            self._hosts[name] = host
            try:
                async with asyncio.timeout(START_S):
                    await mod.mod.start(host)
            except Exception as error:  # the plug-in border
                await self._leave_out(name, f"could not start: {_words(error)}")
        self.collect()

    async def stop(self) -> None:
        """End every mod: its tasks first, then its own `stop`."""
        for name, mod in self._mods.items():
            if name in self._hosts:
                await self._hosts[name].close()
            try:
                async with asyncio.timeout(STOP_S):
                    await mod.mod.stop()
            except Exception as error:  # the plug-in border
                log.warning("mod_stop_failed", mod=name, error=_words(error))

    def on_event(self, happening: Happening) -> list[Reaction]:
        """Everyone's reactions to an event."""
        return [one for name, mod in self._running() for one in self._ask(name, Reaction, mod.mod.on_event, happening)]

    def on_time_jump(self, jump: TimeJump) -> list[Rewind]:
        """Everyone's wishes on where memory is to go back to."""
        return [one for name, mod in self._running() for one in self._ask(name, Rewind, mod.mod.on_time_jump, jump)]

    def on_say(self, heard: Heard) -> list[ActionCall]:
        """Everyone's actions for a line."""
        return [one for name, mod in self._running() for one in self._ask(name, ActionCall, mod.mod.on_say, heard)]

    def _running(self) -> Iterator[tuple[str, LoadedMod]]:
        return iter([(name, mod) for name, mod in self._mods.items() if self._failures.get(name, 0) < MAX_FAILURES])

    def _ask(self, name: str, kind: type[T], hook: Callable[..., Iterable[T]], *args: object) -> list[T]:
        try:
            answers = list(hook(*args))
            if not all(isinstance(each, kind) for each in answers):
                raise TypeError(f"it returned something that is no {kind.__name__}")
            return answers
        except Exception as error:  # the plug-in border
            self._failed(name, f"{hook.__name__}: {_words(error)}")
            return []

    def collect(self) -> None:
        """Ask every mod for its lore, moods, impressions and actions."""
        lore: list[Lore] = []
        moods: list[str] = []
        impressions: list[Impression] = []
        actions: dict[str, ActionKind] = {}
        for name, mod in self._running():
            lore += self._ask(name, Lore, mod.mod.lore)
            moods += self._ask(name, str, mod.mod.moods)
            impressions += self._ask(name, Impression, mod.mod.impressions)
            for action in self._ask(name, ActionKind, mod.mod.actions):
                if action.name in actions:
                    self._failed(name, f"action {action.name} is declared by another mod already")
                else:
                    actions[action.name] = action
        self.lore, self.moods, self.actions = tuple(lore), tuple(dict.fromkeys(moods)), actions
        self.impressions = tuple(impressions)

    async def _leave_out(self, name: str, what: str) -> None:
        del self._mods[name]
        await self._hosts.pop(name).close()
        self._note(name, what)

    def _failed(self, name: str, what: str) -> None:
        self._failures[name] = self._failures.get(name, 0) + 1
        self._note(name, what)
        if self._failures[name] == MAX_FAILURES:
            self._note(name, f"failed {MAX_FAILURES} times and is left out until the next start")

    def _note(self, name: str, what: str) -> None:
        problem = ModError(f"mod {name}: {what}", "the rest goes on without it")
        self.problems = [*self.problems, problem][-32:]
        log.warning("mod_failed", mod=name, error=what)


def _words(error: Exception) -> str:
    if isinstance(error, BarkeepError):
        return error.message
    if isinstance(error, TimeoutError):
        return f"took longer than {START_S:.0f} s"
    return f"{type(error).__name__}: {error}"
