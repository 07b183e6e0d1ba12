"""What the composition root hands to the doors, and the typed keys under which handlers find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from server.config import ServerSettings
from server.dialogue.completions.service import Completions
from server.gateway.cards import KeepCard
from server.gateway.health import HealthReport
from server.gateway.metrics import Metrics
from server.gateway.ports import Sessions


@dataclass(frozen=True, slots=True)
class GatewayDeps:
    """All that the doors know of the rest of the server. `health` is called at each look at `/health` or `/metrics`.

    Without `keep_card` there is no door for cards, without `completions` no HTTP API.
    """

    settings: ServerSettings
    sessions: Sessions
    health: Callable[[], HealthReport]
    metrics: Metrics
    version: str
    keep_card: KeepCard | None = None
    completions: Completions | None = None


DEPS = web.AppKey("deps", GatewayDeps)
