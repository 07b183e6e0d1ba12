"""How the server is, as `/health` says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from server.protocol.messages import RouteInfo


@dataclass(frozen=True, slots=True)
class SpendToday:
    """What paid routes cost since midnight. `cost_usd` is what is known; `unpriced` calls are not in it."""

    cost_usd: float = 0.0
    tokens: int = 0
    unpriced: int = 0
    limit_reached: bool = False


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The state of the rooms below. `running`: generations under way; `sessions`: sessions that are not over."""

    routes: Sequence[RouteInfo]
    running: int
    sessions: int
    spend: SpendToday = SpendToday()


def status_word(routes: Sequence[RouteInfo]) -> Literal["ok", "starting", "degraded"]:
    """One word for all routes: `ok` when each that is not off is ready, `starting` while one loads."""
    states = {route.state for route in routes} - {"off"}
    if states == {"ready"}:
        return "ok"
    return "starting" if "loading" in states and "down" not in states else "degraded"


def health_body(report: HealthReport, version: str, uptime_s: float) -> dict[str, Any]:
    """The JSON body of `/health` for those who may see it."""
    return {
        "version": version,
        "status": status_word(report.routes),
        "uptime_s": round(uptime_s, 1),
        "routes": [{"name": route.name, "state": route.state, "hint": route.hint} for route in report.routes],
        "running": report.running,
        "sessions": report.sessions,
        "spend_today": asdict(report.spend) | {"cost_usd": round(report.spend.cost_usd, 6)},
    }
