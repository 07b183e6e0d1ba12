"""The plain HTTP doors."""

from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.house import open_house


async def test_health_names_version_routes_and_sessions() -> None:
    async with open_house() as house, house.guest():
        status, headers, body = await house.http("GET", "/health")
        report = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert report.pop("uptime_s") >= 0
    assert report == {
        "version": "1.2.3",
        "status": "ok",
        "routes": [{"name": "authored", "state": "ready", "hint": ""}],
        "running": 0,
        "sessions": 1,
        "spend_today": {"cost_usd": 0.0, "tokens": 0, "unpriced": 0, "limit_reached": False},
    }


async def test_metrics_parse_and_count() -> None:
    async with open_house() as house, house.guest() as client:
        await client.ask(type="ping")
        _, headers, body = await house.http("GET", "/metrics")
    assert headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    assert samples["barkeep_connections",] == 1
    assert samples["barkeep_sessions",] == 1
    assert samples["barkeep_messages_total", "in", "ping"] == 1
    assert samples["barkeep_messages_total", "out", "welcome"] == 1


async def test_the_schemas_are_served() -> None:
    async with open_house() as house:
        _, _, index = await house.http("GET", "/schema/")
        for path in json.loads(index)["documents"]:
            status, _, body = await house.http("GET", path)
            assert status == 200
            assert "turn.end" in json.dumps(json.loads(body))
        assert (await house.http("GET", "/schema/asyncapi.json"))[2].find(b"asyncapi") > 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/health", 405), ("GET", "/v1/ws", 426), ("GET", "/schema/../x", 404)],
)
async def test_what_is_not_there_is_said_in_json_with_a_hint(method: str, path: str, status: int) -> None:
    async with open_house() as house:
        answered, headers, body = await house.http(method, path, {"Content-Type": "application/json"})
        assert (answered, headers["content-type"]) == (status, "application/json; charset=utf-8")
        assert json.loads(body)["error"]["hint"]


async def test_a_failing_door_says_nothing_about_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_house() as house, house.guest() as neighbour:
        monkeypatch.setattr("server.gateway.app.health_body", lambda *_: 1 / 0)
        status, _, body = await house.http("GET", "/health")
        assert (status, json.loads(body)["error"]["code"]) == (500, "internal")
        assert b"division" not in body
        assert await neighbour.is_unharmed()
