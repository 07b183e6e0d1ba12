"""Lets chats of one world speak side by side, and move its timeline only while none of them does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Turnstile:
    """Of one world. A chat finds its place alone, and then speaks beside others."""

    def __init__(self) -> None:
        self._placing = asyncio.Lock()
        self._silence = asyncio.Event()
        self._silence.set()
        self._speaking = 0

    @asynccontextmanager
    async def placing(self) -> AsyncGenerator[None, None]:
        """Held while a chat finds its place; nobody else begins to speak meanwhile."""
        async with self._placing:
            yield

    async def silence(self) -> None:
        """Wait until no chat speaks; asked by the one who is placing."""
        await self._silence.wait()

    def begin(self) -> None:
        """A chat begins to speak."""
        self._speaking += 1
        self._silence.clear()

    def end(self) -> None:
        """It has its end, and its place."""
        self._speaking -= 1
        if not self._speaking:
            self._silence.set()


class Turnstiles:
    """Those of all worlds, and a lock for each chat: its requests are answered one after another."""

    def __init__(self) -> None:
        self._worlds: WeakValueDictionary[str, Turnstile] = WeakValueDictionary()
        self._chats: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def of(self, world: str) -> Turnstile:
        """The world's."""
        return self._worlds.setdefault(world, Turnstile())

    def chat(self, world: str, key: str) -> asyncio.Lock:
        """The lock of a chat."""
        return self._chats.setdefault((world, key), asyncio.Lock())
