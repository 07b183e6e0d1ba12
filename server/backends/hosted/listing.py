"""The provider's list of models: ids, and where it tells them prices and contexts.

OpenAI, Anthropic and the local servers answer `{"data": [{"id": …}]}`. OpenRouter adds `pricing` in USD per token and
`context_length`; vLLM has `max_model_len`, llama-server `meta.n_ctx`, and others spell the context in their own ways.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

MAX_LIST_BYTES: Final = 8_388_608
"""The largest known list takes one megabyte."""
MAX_MODELS: Final = 10_000
_MAX_ID: Final = 256
_MAX_USD_PER_TOKEN: Final = 0.01
"""Ten thousand dollars for a million tokens: what is above was meant for another unit."""
_CONTEXT_KEYS: Final = ("context_length", "max_model_len", "context_window", "max_input_tokens", "max_context_length")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token."""

    prompt_usd: float
    completion_usd: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost, in USD."""
        return prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the list says of one model; None where it does not say."""

    price: Price | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of one provider, by id. Empty where it gave no list."""

    models: Mapping[str, ModelInfo] = field(default_factory=dict)

    def find(self, model: str) -> ModelInfo | None:
        """What the list says of `model`; None where it is not in it.

        A variant (`model:nitro`, `model:q4`) has the context of its model, but a price of its own.
        """
        if found := self.models.get(model):
            return found
        stem, variant, _ = model.rpartition(":")
        other = self.models.get(stem if variant else f"{model}:latest")
        return ModelInfo(None, other.context_tokens) if other else None

    def near(self, model: str) -> list[str]:
        """Up to three ids of the list that `model` may have meant, the nearest first."""
        names = {name.casefold(): name for name in self.models}
        wanted = model.casefold()
        found = get_close_matches(wanted, names, n=3, cutoff=0.5)
        stem = wanted.rpartition("/")[2].partition(":")[0]
        found += [name for name in names if stem and stem in name and name not in found]
        family = stem.partition("-")[0]
        found += [name for name in names if len(family) > 2 and family in name and name not in found]
        return [names[name] for name in found[:3]]


def read_listing(body: bytes) -> Listing:
    """The list in a response's body; an empty one where there is none to be read."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return Listing()
    return Listing(dict(_models(parsed)))


def _models(parsed: Any) -> Iterator[tuple[str, ModelInfo]]:
    entries = parsed.get("data", parsed.get("models")) if isinstance(parsed, Mapping) else parsed
    for entry in entries[:MAX_MODELS] if isinstance(entries, list) else ():
        name = entry.get("id") if isinstance(entry, Mapping) else None
        # Names go into hints, and from there to terminals.
        if isinstance(name, str) and 0 < len(name) <= _MAX_ID and name.isprintable():
            yield name, ModelInfo(_price(entry.get("pricing")), _context(entry))


def _price(pricing: Any) -> Price | None:
    if not isinstance(pricing, Mapping):
        return None
    prompt, completion = _usd(pricing.get("prompt")), _usd(pricing.get("completion"))
    return Price(prompt, completion) if prompt is not None and completion is not None else None


def _usd(value: Any) -> float | None:
    try:
        usd = float(value)
    except (TypeError, ValueError):
        return None
    return usd if 0 <= usd <= _MAX_USD_PER_TOKEN else None  # routers of models list -1: it depends


def _context(entry: Mapping[str, Any]) -> int | None:
    """The smallest context that the entry names: the model's may be larger than what the provider gives it."""
    top, meta = entry.get("top_provider"), entry.get("meta")
    named = [entry.get(key) for key in _CONTEXT_KEYS]
    named.append(top.get("context_length") if isinstance(top, Mapping) else None)
    if isinstance(meta, Mapping):
        named.append(meta.get("n_ctx", meta.get("n_ctx_train")))
    counts = [count for count in named if isinstance(count, int) and not isinstance(count, bool) and count > 0]
    return min(counts, default=None)
