"""A request as a chat completion (OpenAI API reference, "Create chat completion", and what other servers add)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from server.backends.base import Request, Sampling
from server.backends.hosted.messages import chat_messages
from server.backends.hosted.openai.stream import ChatStream
from server.backends.hosted.wire import MAX_STOPS, Asked

_NEUTRAL: Final[Mapping[str, float]] = {"min_p": 0.0, "top_k": 0, "repeat_penalty": 1.0, "dry_multiplier": 0.0}
"""What each sampling setting is where it does nothing, and need not be sent."""


class ChatCompletions:
    """`base_url`/chat/completions."""

    path = "chat/completions"
    count_path = ""
    list_query: Mapping[str, str] = {}

    def headers(self, key: str) -> dict[str, str]:
        """The key as a bearer token (RFC 6750)."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, request: Request, asked: Asked) -> dict[str, Any]:
        """The streamed completion of `request`, with the fields that the vendor takes."""
        vendor = asked.vendor
        body: dict[str, Any] = {
            "model": asked.model,
            "messages": chat_messages(request.prompt),
            "stream": True,
            "stream_options": {"include_usage": True},
            vendor.max_tokens_field: request.max_tokens,
            **_sampling(request.sampling, vendor.fields),
            **vendor.body,
        }
        if request.stop:
            body["stop"] = list(request.stop[:MAX_STOPS])
        if asked.fallback_models:
            body["models"] = [asked.model, *asked.fallback_models]
        if asked.provider:
            own = vendor.body.get("provider")
            preferences = {**(own if isinstance(own, Mapping) else {}), **asked.provider}
            body["provider"] = {name: value for name, value in preferences.items() if value is not None}
        if vendor.sticky_field and request.sticky:
            body[vendor.sticky_field] = session_id(request.sticky)
        return body

    def count_body(self, request: Request, asked: Asked) -> dict[str, Any]:
        """Nothing: the format has no request that counts."""
        return {}

    def stream(self, model: str) -> ChatStream:
        """A reader of completion chunks."""
        return ChatStream(model)


def session_id(sticky: str) -> str:
    """A name for the session that tells the provider nothing about worlds and NPCs; 32 characters."""
    return blake2b(sticky.encode(), digest_size=16).hexdigest()


def _sampling(sampling: Sampling, fields: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"temperature": sampling.temperature_or(), "top_p": sampling.top_p}
    for ours, theirs in fields.items():
        if (value := getattr(sampling, ours)) != _NEUTRAL[ours]:
            body[theirs] = value
    for penalty in ("frequency_penalty", "presence_penalty"):
        if value := getattr(sampling, penalty):
            body[penalty] = value
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): value for token, value in sampling.logit_bias}
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    return body
