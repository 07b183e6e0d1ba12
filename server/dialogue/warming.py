"""Reading prompts before they are needed: when the player comes near or types, and when history was halved."""

from __future__ import annotations

from collections.abc import Callable

from server.backends.base import Backend, Request
from server.dialogue.assignment import Assignment
from server.dialogue.briefing import Briefing, brief
from server.dialogue.conversation import Conversation
from server.dialogue.prompting import sampling_of
from server.dialogue.scene import SceneView
from server.dialogue.scheduler import BACKGROUND
from server.dialogue.stage import Stage
from server.dialogue.world import World
from server.prompt.build import build_warm


async def warm(
    stage: Stage,
    world: World,
    view: SceneView,
    player: str,
    npc: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    begun: str = "",
    priority: int = BACKGROUND,
    conversation: Conversation | None = None,
) -> None:
    """Let the first route that has a use for it read everything up to what the player will say.

    `begun` is what the player has typed so far. `on_progress` gets tokens done and tokens in all. `conversation` is
    another than the NPC is in, for a look ahead.
    """
    assignment = Assignment("", npc, None, None, priority, stage.clock(), (), heard=begun)
    briefing = await brief(stage, world, view, player, assignment, warm=True, conversation=conversation)
    requests, own_routes = _requests(stage, world.name, briefing, assignment), briefing.context.persona.routes
    async for progress in stage.router.warm(requests, only=own_routes):
        on_progress(progress.done, progress.total)


def _requests(stage: Stage, world: str, briefing: Briefing, assignment: Assignment) -> Callable[[Backend], Request]:
    def request_for(backend: Backend) -> Request:
        context = briefing.context_for(hosted=backend.hosted)
        tokenizer = stage.tokenizer_for(backend, briefing.conversation)
        return Request(
            npc=assignment.npc,
            prompt=build_warm(context, stage.limits_for(backend), tokenizer),
            persona=context.persona,
            max_tokens=stage.reply_tokens(backend),
            sampling=sampling_of(context.persona),
            priority=assignment.priority,
            sticky=f"{world}/{assignment.npc}",
        )

    return request_for
