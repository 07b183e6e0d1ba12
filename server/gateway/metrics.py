"""Counts and times for Prometheus. A pure observer: nothing depends on what it counts.

Every label has a small, fixed set of values: routes come from the configuration, everything else from this program.
Names of NPCs, worlds or players are never labels, so what a client sends cannot grow the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from server.gateway.health import HealthReport
from server.protocol.messages import ClientMessage, ServerMessage, TurnEnd

FIRST_TEXT_BUCKETS_S = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0, 8.0, 20.0)


class Metrics:
    """The server's metrics, in a registry of their own so that two servers in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._connections = Gauge("barkeep_connections", "Open websocket connections.", registry=self.registry)
        self._sessions = Gauge("barkeep_sessions", "Sessions that are not over.", registry=self.registry)
        self._running = Gauge("barkeep_generations_running", "Generations under way.", registry=self.registry)
        self._messages = Counter(
            "barkeep_messages", "Messages by direction and type.", ("direction", "type"), registry=self.registry
        )
        self._refused = Counter(
            "barkeep_refused", "Connections and messages refused, by reason.", ("reason",), registry=self.registry
        )
        self._turns = Counter(
            "barkeep_turns", "Turns ended, by answering route and reason.", ("route", "reason"), registry=self.registry
        )
        self._degraded = Counter("barkeep_turns_degraded", "Turns marked degraded.", registry=self.registry)
        self._first_text = Histogram(
            "barkeep_first_text_seconds",
            "From receipt to the first line, by answering route.",
            ("route",),
            buckets=FIRST_TEXT_BUCKETS_S,
            registry=self.registry,
        )
        self._prompts = Counter(
            "barkeep_prompts",
            "Local prompts by how they go on from the last: extended, shrunk_idle, shrunk_turn, changed, or first.",
            ("growth",),
            registry=self.registry,
        )
        self._tokens = Counter("barkeep_tokens", "Tokens by kind.", ("kind",), registry=self.registry)
        self._spend_usd = Gauge(
            "barkeep_spend_today_usd",
            "What paid routes cost since midnight, as far as it is known.",
            registry=self.registry,
        )
        self._spend_tokens = Gauge(
            "barkeep_spend_today_tokens", "Tokens that paid routes took since midnight.", registry=self.registry
        )

    def watch(self, health: Callable[[], HealthReport]) -> None:
        """Read the gauges from `health` at every scrape."""
        self._sessions.set_function(lambda: health().sessions)
        self._running.set_function(lambda: health().running)
        self._spend_usd.set_function(lambda: health().spend.cost_usd)
        self._spend_tokens.set_function(lambda: health().spend.tokens)

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Count a websocket as open while the block lasts."""
        self._connections.inc()
        try:
            yield
        finally:
            self._connections.dec()

    def received(self, message: ClientMessage) -> None:
        """A client's message was understood."""
        self._messages.labels("in", message.type).inc()

    def sent(self, message: ServerMessage) -> None:
        """A message was taken by a transport."""
        self._messages.labels("out", message.type).inc()

    def refused(self, reason: str) -> None:
        """Something was refused. `reason` is one of this program's own words, never a client's."""
        self._refused.labels(reason).inc()

    def prompt_grew(self, growth: str) -> None:
        """A local prompt was used. The share of those extended is what an engine need not read again."""
        self._prompts.labels(growth).inc()

    def turn_ended(self, end: TurnEnd) -> None:
        """A turn is over."""
        route = end.route.name or "none"
        self._turns.labels(route, end.reason).inc()
        if end.degraded:
            self._degraded.inc()
        if end.ms.first_line is not None:
            self._first_text.labels(route).observe(end.ms.first_line / 1_000)
        for kind in ("prompt", "cached", "evaluated", "reply"):
            self._tokens.labels(kind).inc(getattr(end.tokens, kind))
