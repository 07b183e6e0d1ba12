"""What a wire format is: pure functions from a request to a body, and from a stream's events to deltas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.backends.base import Finish, Request, TextDelta
from server.backends.hosted.vendors import ANY_URL, Vendor

MAX_REPLY_CHARACTERS = 65_536
"""Far beyond any `max_tokens` the settings allow: a server that ignores the limit is cut off here."""
MAX_STOPS = 4
"""What the APIs take; more is refused as a bad request."""
MAX_MODEL_NAME = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What all requests of a route have in common. `provider` goes over the vendor's own preferences."""

    model: str
    vendor: Vendor = ANY_URL
    fallback_models: tuple[str, ...] = ()
    provider: Mapping[str, Any] = field(default_factory=dict)


class ReplyStream(Protocol):
    """Reads the events of one response, in order."""

    @property
    def done(self) -> bool:
        """True after the event that closes the stream."""

    def feed(self, data: str) -> TextDelta | None:
        """The text that one event's data adds to the reply; after the closing event nothing counts.

        Raises:
            RouteError: the event says that the reply failed, or cannot be read.
        """

    def finish(self) -> Finish:
        """The end of the reply.

        Raises:
            RouteError: the stream stopped before the reply did.
        """


class Wire(Protocol):
    """One wire format."""

    @property
    def path(self) -> str:
        """Where replies are asked for, below the base address."""

    @property
    def count_path(self) -> str:
        """Where tokens are counted, below the base address; empty where the format has no such request."""

    @property
    def list_query(self) -> Mapping[str, str]:
        """What must be said so that the list of models comes whole."""

    def headers(self, key: str) -> dict[str, str]:
        """The headers that carry `key`, which may be empty, and the format's version."""

    def body(self, request: Request, asked: Asked) -> dict[str, Any]:
        """What is posted for a reply."""

    def count_body(self, request: Request, asked: Asked) -> dict[str, Any]:
        """What is posted to `count_path`."""

    def stream(self, model: str) -> ReplyStream:
        """A reader of the reply of `model`."""
