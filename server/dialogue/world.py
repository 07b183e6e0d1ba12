"""A world that is awake: who its NPCs are, and the conversations they are in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from server.dialogue.conversation import Conversation
from server.personas.library import PersonaLibrary
from server.personas.patch import generic, patched
from server.personas.persona import Persona

if TYPE_CHECKING:
    from server.dialogue.session import Session


class World:
    """One playthrough. `changing` is held while its timeline grows or moves, so that a load never meets half a say.

    `time` is the game's time as it was told last, in seconds; None where it never was.
    """

    def __init__(
        self, name: str, library: PersonaLibrary, patches: dict[str, dict[str, Any]], time: float | None = None
    ) -> None:
        self.name = name
        self.changing = asyncio.Lock()
        self.sessions: set[Session] = set()
        self.conversations: dict[str, Conversation] = {}
        self.undigested: set[str] = set()
        self.time = time
        self._library = library
        self._patches = patches
        self._names: dict[str, str] = {}
        self._languages: dict[str, str] = {}

    def persona(self, npc: str) -> Persona:
        """Who this NPC is here: its file, under what this world says of it; a stranger gets a generic persona."""
        known = self._library.get(npc)
        if npc in self._patches:
            return patched(known, npc, self._patches[npc])
        return known or generic(npc, self._names.get(npc, npc), self._languages.get(npc))

    def knows(self, npc: str) -> bool:
        """Whether somebody wrote a persona for it."""
        return npc in self._patches or self._library.get(npc) is not None

    def is_called(self, npc: str) -> bool:
        """Whether the game has named this stranger before."""
        return npc in self._names

    def call(self, npc: str, name: str, language: str | None = None) -> None:
        """A name for a stranger, as the game gives it, and the language the game is played in."""
        self._names[npc] = name
        if language is not None:
            self._languages[npc] = language

    def patched_persona(self, npc: str, patch: dict[str, Any]) -> Persona:
        """The persona as it would be after `patch`; nothing is changed yet.

        Raises:
            PersonaError: the patch does not fit.
        """
        return patched(self._library.get(npc), npc, {**self._patches.get(npc, {}), **patch})

    def adopt(self, npc: str, patch: dict[str, Any]) -> None:
        """The NPC is like this from now on; its prompt begins anew."""
        self._patches[npc] = {**self._patches.get(npc, {}), **patch}
        self.conversations.pop(npc, None)

    def begin_again(self, patches: dict[str, dict[str, Any]], time: float | None) -> None:
        """The timeline moved: conversations are over, NPCs are who they were then, and it is the time it was then."""
        self._patches = patches
        self.time = time
        self.conversations.clear()
        self.undigested.clear()

    def npcs(self) -> list[str]:
        """Every NPC that somebody wrote a persona for."""
        return sorted({*self._library.ids(), *self._patches})
