"""The room's one door: which models there are, and who answers a request for one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

from server.backends.base import Delta
from server.dialogue.completions.npc import NPC_PREFIX, NpcChats, Visitor
from server.dialogue.completions.plain import Model, PlainRoutes, Vocabulary, unknown_model
from server.dialogue.completions.side import SideRequests
from server.dialogue.completions.wanted import Wanted
from server.dialogue.sessions import Sessions
from server.dialogue.stage import Stage
from server.errors import ApiError


class Completions:
    """Routes and NPCs as models. A name that begins with `npc/` is an NPC, every other one a route."""

    def __init__(self, stage: Stage, sessions: Sessions) -> None:
        self._stage = stage
        self._plain = PlainRoutes(stage)
        self._npcs = NpcChats(stage, sessions)
        self._side = SideRequests(stage.settings.api.side_requests)

    @property
    def request_s(self) -> float:
        """Seconds that one request may take."""
        return self._stage.settings.api.request_s

    @property
    def keep_alive_s(self) -> float:
        """Seconds after which a silent stream shows that it lives."""
        return self._stage.settings.api.keep_alive_s

    @property
    def reply_tokens(self) -> int:
        """Tokens of the longest reply to a request that sets no limit."""
        return self._stage.settings.api.reply_tokens

    @property
    def running(self) -> int:
        """Replies that are being made now."""
        return self._stage.generating

    async def models(self, visitor: Visitor) -> list[Model]:
        """Everything that can be asked: routes in their order, then the NPCs of the visitor's world."""
        plain = self._plain.models()
        return [
            *plain,
            *(Model(f"{NPC_PREFIX}{npc}", name, None, ready=True) for npc, name in await self._npcs.all(visitor)),
        ]

    def vocabulary(self, model: str | None) -> Vocabulary | None:
        """The vocabulary of a local route, once it is read; of the first one where the model has none of its own."""
        return self._plain.vocabulary(model or "")

    def default_route(self) -> Model:
        """The route of clients that name none: the first that is ready.

        Raises:
            ApiError: no route generates.
        """
        routes = self._plain.models()
        if not routes:
            raise unknown_model("", [])
        return next((route for route in routes if route.ready), routes[0])

    def count(self, model: str | None, wanted: Wanted) -> int:
        """The tokens of a prompt; as the default route counts where the model is an NPC.

        Raises:
            ApiError: there is no such route.
        """
        name = model or ""
        return self._plain.count(self.default_route().id if not name or name.startswith(NPC_PREFIX) else name, wanted)

    async def npc_exists(self, model: str, visitor: Visitor) -> bool:
        """Whether `model` names an NPC of the visitor's world."""
        npc = model.removeprefix(NPC_PREFIX)
        return model.startswith(NPC_PREFIX) and any(npc == known for known, _ in await self._npcs.all(visitor))

    def stream(self, model: str | None, wanted: Wanted, visitor: Visitor) -> AsyncGenerator[tuple[int, Delta], None]:
        """The deltas of every reply wanted, each with the number of its reply. Closing the generator cancels them.

        Raises:
            ApiError: it cannot be done as it was asked.
            BarkeepError: it failed.
        """
        if not model or not model.startswith(NPC_PREFIX):
            return self._plain.stream(model or self.default_route().id, wanted)
        if wanted.text is not None:
            raise ApiError(
                "An NPC takes messages, not a prompt as one text.", "Use /v1/chat/completions.", param="prompt"
            )
        if wanted.side or self._side.matches(wanted.messages):
            return self._plain.stream(self.default_route().id, replace(wanted, side=True, fit=True))
        return self._npcs.stream(model.removeprefix(NPC_PREFIX), wanted, visitor)
