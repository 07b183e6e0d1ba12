from __future__ import annotations

import pytest

from server.gateway.health import status_word
from server.protocol.messages import RouteInfo


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["ready"], "ok"),
        (["ready", "off"], "ok"),
        (["loading", "ready"], "starting"),
        (["loading", "down"], "degraded"),
        (["down", "ready"], "degraded"),
        ([], "degraded"),
        (["off"], "degraded"),
    ],
)
def test_one_word_for_all_routes(states: list[str], word: str) -> None:
    routes = [RouteInfo.model_validate({"name": str(number), "state": state}) for number, state in enumerate(states)]
    assert status_word(routes) == word
