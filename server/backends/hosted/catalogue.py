"""Models by name: short names for ids that differ from vendor to vendor, and what some models do not take."""

from __future__ import annotations

import re
from collections.abc import Mapping

from server.config import VendorName

ALIASES: Mapping[str, Mapping[VendorName, str]] = {
    "lfm-3b": {"openrouter": "liquid/lfm-3b"},
    "lfm-40b": {"openrouter": "liquid/lfm-40b"},
    "lfm2-24b": {"openrouter": "liquid/lfm-2-24b-a2b", "modelslab": "liquid-lfm-2-24b-a2b"},
    "lfm2-8b": {"openrouter": "liquid/lfm2-8b-a1b"},
    "lfm2-2.6b": {"openrouter": "liquid/lfm-2.5-2.6b:free"},
}
"""Short names, and the id that each vendor has for them. Ids come and go: the provider's own list has the last word."""

_REFUSED = (
    # OpenAI's reasoning models take no sampling settings ("Reasoning models", API guide).
    (re.compile(r"(^|/)(o\d|gpt-5(?!.*chat))"), frozenset({"temperature", "top_p", "stop"})),
)


def model_id(name: str, vendor: VendorName | None) -> str:
    """What `vendor` calls the model; a name that is no short one stays as it is."""
    return ALIASES.get(name, {}).get(vendor, name) if vendor else name


def refused_fields(model: str) -> frozenset[str]:
    """The fields of a request that `model` answers with an error."""
    return frozenset[str]().union(*(fields for pattern, fields in _REFUSED if pattern.search(model)))
