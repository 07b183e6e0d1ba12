from __future__ import annotations

from server.gateway.health import HealthReport, SpendToday
from server.gateway.metrics import Metrics
from server.protocol.messages import RouteReport, Timing, TokenReport, TurnEnd


def _end(**changes: object) -> TurnEnd:
    fields: dict[str, object] = {
        "turn": "t",
        "npc": "hilda",
        "reason": "done",
        "text": "",
        "heard": "",
        "route": RouteReport(name="local"),
        "tokens": TokenReport(prompt=100, cached=80, evaluated=20, reply=7),
        "blocks": [],
        "ms": Timing(first_line=300.0),
    }
    return TurnEnd.model_validate(fields | changes)


def test_a_turn_is_counted_by_route_and_reason() -> None:
    metrics = Metrics()
    metrics.turn_ended(_end())
    metrics.turn_ended(_end(route=RouteReport(), reason="failed", ms=Timing(), degraded=True))
    value = metrics.registry.get_sample_value
    assert value("barkeep_turns_total", {"route": "local", "reason": "done"}) == 1
    assert value("barkeep_turns_total", {"route": "none", "reason": "failed"}) == 1
    assert value("barkeep_turns_degraded_total") == 1
    assert value("barkeep_tokens_total", {"kind": "cached"}) == 160
    assert value("barkeep_first_text_seconds_sum", {"route": "local"}) == 0.3
    assert value("barkeep_first_text_seconds_count", {"route": "none"}) is None


def test_gauges_are_read_from_their_owners() -> None:
    metrics = Metrics()
    metrics.watch(lambda: HealthReport((), running=2, sessions=3, spend=SpendToday(cost_usd=0.25, tokens=1_050)))
    value = metrics.registry.get_sample_value
    assert (value("barkeep_generations_running"), value("barkeep_sessions")) == (2, 3)
    assert (value("barkeep_spend_today_usd"), value("barkeep_spend_today_tokens")) == (0.25, 1_050)


def test_no_label_names_an_npc() -> None:
    metrics = Metrics()
    metrics.turn_ended(_end())
    labels = {value for family in metrics.registry.collect() for s in family.samples for value in s.labels.values()}
    assert "hilda" not in labels


def test_two_servers_in_one_process_do_not_meet() -> None:
    first, second = Metrics(), Metrics()
    first.refused("host")
    assert second.registry.get_sample_value("barkeep_refused_total", {"reason": "host"}) is None


def test_prompts_are_counted_by_how_they_grew() -> None:
    metrics = Metrics()
    metrics.prompt_grew("first")
    metrics.prompt_grew("extended")
    metrics.prompt_grew("extended")
    assert metrics.registry.get_sample_value("barkeep_prompts_total", {"growth": "extended"}) == 2
