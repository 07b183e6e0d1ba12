"""Who answers: each provider and local server with its address, what it takes, and what is odd about it.

Addresses end where `/chat/completions` or `/messages` begins. A vendor without an address for a wire format does not
speak it. Local servers have the port that they listen on when nobody told them otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from server.config import VendorName


@dataclass(frozen=True, slots=True)
class Vendor:
    """One provider, as data.

    `fields` are sampling settings beyond OpenAI's own, by our name for them. `sticky_field` takes a session's name, so
    that the next request finds the prompt's cache. `body` goes into every chat completion. `list_path`, below the
    address of chat completions, is what costs nothing to ask. `hints` say more about an HTTP status.
    """

    title: str
    openai: str = ""
    anthropic: str = ""
    local: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    sticky_field: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    key_in_body: bool = False
    list_path: str = "models"
    hints: Mapping[int, str] = field(default_factory=dict)


ANY_URL = Vendor("a server of your own", fields={"min_p": "min_p"})
"""A base address with nothing else known: most servers take `min_p`, and the others pass over what they do not know."""

VENDORS: Mapping[VendorName, Vendor] = {
    "openrouter": Vendor(
        "OpenRouter",
        openai="https://openrouter.ai/api/v1",
        anthropic="https://openrouter.ai/api/v1",
        fields={"min_p": "min_p", "top_k": "top_k", "repeat_penalty": "repetition_penalty"},
        sticky_field="session_id",
        # The fastest endpoint first. Without the empty list, prompts for small contexts lose their middle unasked.
        body={"provider": {"sort": "latency"}, "transforms": []},
        # An application without a page of its own is known by its title.
        headers={"HTTP-Referer": "http://localhost", "X-Title": "Barkeep"},
        hints={
            401: "make a key at https://openrouter.ai/keys",
            402: "add credit at https://openrouter.ai/credits; below zero not even free models answer",
            429: "models that end in :free answer 20 times a minute and 50 times a day",
        },
    ),
    "modelslab": Vendor(
        "ModelsLab",
        openai="https://modelslab.com/api/v7/llm",
        anthropic="https://modelslab.com/api/v7/llm/v1",
        key_in_body=True,
        list_path="v1/models",
    ),
    "openai": Vendor(
        "OpenAI",
        openai="https://api.openai.com/v1",
        max_tokens_field="max_completion_tokens",
        sticky_field="prompt_cache_key",
        hints={402: "add credit at https://platform.openai.com/settings/organization/billing"},
    ),
    "anthropic": Vendor(
        "Anthropic",
        anthropic="https://api.anthropic.com/v1",
        hints={402: "add credit at https://console.anthropic.com/settings/billing"},
    ),
    "koboldcpp": Vendor(
        "KoboldCpp",
        openai="http://127.0.0.1:5001/v1",
        local=True,
        fields={"min_p": "min_p", "top_k": "top_k"},
    ),
    "llama-server": Vendor(
        "llama-server",
        openai="http://127.0.0.1:8080/v1",
        anthropic="http://127.0.0.1:8080/v1",
        local=True,
        fields={
            "min_p": "min_p",
            "top_k": "top_k",
            "repeat_penalty": "repeat_penalty",
            "dry_multiplier": "dry_multiplier",
        },
    ),
    "ollama": Vendor(
        "Ollama",
        openai="http://127.0.0.1:11434/v1",
        anthropic="http://127.0.0.1:11434/v1",
        local=True,
    ),
    "lm-studio": Vendor(
        "LM Studio",
        openai="http://127.0.0.1:1234/v1",
        anthropic="http://127.0.0.1:1234/v1",
        local=True,
        fields={"top_k": "top_k", "repeat_penalty": "repeat_penalty"},
    ),
    "vllm": Vendor(
        "vLLM",
        openai="http://127.0.0.1:8000/v1",
        anthropic="http://127.0.0.1:8000/v1",
        local=True,
        fields={"min_p": "min_p", "top_k": "top_k", "repeat_penalty": "repetition_penalty"},
    ),
    "text-generation-webui": Vendor(
        "text-generation-webui",
        openai="http://127.0.0.1:5000/v1",
        local=True,
        fields={"min_p": "min_p", "top_k": "top_k", "repeat_penalty": "repetition_penalty"},
    ),
    "player2": Vendor(
        "Player2",
        openai="http://127.0.0.1:4315/v1",
        local=True,
        headers={"player2-game-key": "barkeep"},
        list_path="health",
    ),
}


def vendor_at(host: str) -> Vendor | None:
    """The provider whose address is on `host`; local servers are not told apart by theirs."""
    for vendor in VENDORS.values():
        if host and not vendor.local and f"//{host}/" in f"{vendor.openai}/ {vendor.anthropic}/":
            return vendor
    return None
