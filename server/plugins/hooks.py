"""Every extension point, on one screen. A mod subclasses `Mod` and overrides what it needs; all hooks are optional.

A hook that raises is reported and skipped: the turn, the session and the other mods go on. Hooks that are not `async`
run on the event loop and must return at once; `start` may open doors and begin tasks through `host`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel

from server.memory.impressions import Impression
from server.protocol.messages import ClientMessage, Hello, ServerMessage


@dataclass(frozen=True, slots=True)
class Lore:
    """A fact about the world. It comes up when one of `keys` is said.

    Only NPCs whose `knows` has one of `who`, or whose id is in it, may know it; an empty `who` means everyone. A tag of
    `who` may say what it is: `place:`, `faction:` or `class:` and a tag, `npc:` and an id, or `everyone`. From
    `since_hours` on, game hours since the world's zero, it is known at all.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    who: tuple[str, ...] = ()
    since_hours: float | None = None


@dataclass(frozen=True, slots=True)
class ActionKind:
    """Something an NPC can do in this game. `args` is a pydantic model of what it takes."""

    name: str
    description: str
    args: type[BaseModel]


@dataclass(frozen=True, slots=True)
class ActionCall:
    """An NPC does something, within the turn at hand."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event as the hooks see it: what, by whom, where, and who witnessed it."""

    world: str
    kind: str
    text: str
    speaker: str
    place: str
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reaction:
    """An NPC is to speak of its own accord about what happened."""

    npc: str
    instruction: str


@dataclass(frozen=True, slots=True)
class TimeJump:
    """Game time went back for good, and no `load` was sent. Times in game seconds.

    `saves` are those that the game may have loaded, the likeliest first.
    """

    world: str
    player: str
    before: float
    now: float
    saves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewind:
    """Memory is to go back to this save; without one, to the last moment that is not after the game's time."""

    save: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A line that an NPC is about to answer."""

    world: str
    npc: str
    player: str
    text: str


class ModSession(Protocol):
    """A session of a mod's own, exactly as a websocket client would have it."""

    @property
    def id(self) -> str:
        """The session's id."""

    async def send(self, message: ClientMessage) -> None:
        """Say one message. Its answers come out of `messages`."""

    def messages(self) -> AsyncIterator[ServerMessage]:
        """Everything the server says, in order of `seq`; ends when the session closes."""

    async def close(self) -> None:
        """Leave. Idempotent."""


class Host(Protocol):
    """What the server offers a mod while it runs."""

    @property
    def folder(self) -> Path:
        """The mod's own folder."""

    async def open_session(self, hello: Hello) -> ModSession:
        """Open a session; the first message out is `welcome`.

        Raises:
            ProtocolError: the hello is refused.
        """

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task that the server ends with the mod; if it fails, the mod is reported, nothing else stops."""


class Mod:
    """A mod. Constructed once, without arguments, when the server starts."""

    async def start(self, host: Host) -> None:
        """The server is up. Open doors here."""

    async def stop(self) -> None:
        """The server goes down; tasks begun with `host.spawn` are ended already."""

    def lore(self) -> Iterable[Lore]:
        """Facts about the world; asked once, after `start`."""
        return ()

    def actions(self) -> Iterable[ActionKind]:
        """What NPCs can do; asked once, after `start`."""
        return ()

    def moods(self) -> Iterable[str]:
        """Words for moods that the game can show; asked once, after `start`."""
        return ()

    def impressions(self) -> Iterable[Impression]:
        """What events and words leave on NPCs; asked once, after `start`. Replaces the common rule of that name."""
        return ()

    def on_event(self, happening: Happening) -> Iterable[Reaction]:
        """Something happened and is committed. Who speaks up about it?"""
        return ()

    def on_time_jump(self, jump: TimeJump) -> Iterable[Rewind]:
        """A game was loaded, it seems. Where is memory to go back to? The first that can be done is; none, nowhere."""
        return ()

    def on_say(self, heard: Heard) -> Iterable[ActionCall]:
        """An NPC is about to answer the player. What does it do meanwhile?"""
        return ()
