"""What a server refuses, learnt from its refusals: it is asked again without that at once, and from then on.

Compatible servers differ in which settings they take, and say so in words alone; a list of all of them would never be
whole.
"""

from __future__ import annotations

import re
from typing import Any, Final

from server.backends.hosted.catalogue import refused_fields
from server.backends.hosted.target import Target
from server.errors import RouteError, RouteRejected

_OPTIONAL: Final = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "repeat_penalty",
    "dry_multiplier",
    "stream_options",
    "stop_sequences",
    "session_id",
    "prompt_cache_key",
    "transforms",
    "seed",
    "stop",
)
"""Fields without which a reply is still a reply."""
_COMMON_WORDS: Final = frozenset({"seed", "stop"})
"""Fields that count as named in quotes alone."""
_BAD_REQUEST: Final = frozenset({400, 422})


class Lessons:
    """One route's lessons."""

    def __init__(self, target: Target) -> None:
        """Begin with what is known about the route's model and vendor."""
        self._key = target.key
        self._model = target.asked.model
        self._refused = set(refused_fields(self._model))
        self._key_in_body = target.key_in_body is True
        self._may_put_key_in_body = target.key_in_body == "auto" and bool(self._key)

    def applied_to(self, body: dict[str, Any]) -> dict[str, Any]:
        """`body` as this server takes it."""
        fitting = {name: value for name, value in body.items() if name not in self._refused}
        # ModelsLab's older dialect.
        return {**fitting, "key": self._key, "model_id": self._model} if self._key_in_body and self._key else fitting

    def learn(self, error: RouteError, body: dict[str, Any]) -> bool:
        """True where `error`, the answer to `body`, teaches something new, so that asking again may help."""
        if not isinstance(error, RouteRejected):
            return False
        if error.status == 401 and self._may_put_key_in_body and not self._key_in_body:
            self._key_in_body = True
            return True
        named = {name for name in _OPTIONAL if error.status in _BAD_REQUEST and _names(error.message, name)}
        news = (named & body.keys()) - self._refused
        self._refused |= news
        return bool(news)


def _names(message: str, field: str) -> bool:
    quoted = rf"[`'\"]{field}[`'\"]"
    return re.search(quoted if field in _COMMON_WORDS else rf"(?<![\w]){field}(?![\w])", message) is not None
