from typing import Any

import pytest

from server.backends.base import Sampling
from server.backends.hosted.openai.wire import ChatCompletions
from server.backends.hosted.vendors import VENDORS, Vendor
from server.backends.hosted.wire import Asked
from tests.support.routes import request

FULL = Sampling(temperature=0.5, min_p=0.05, top_p=0.9, top_k=40, repeat_penalty=1.1, seed=7)


def body(vendor: Vendor, sampling: Sampling = FULL, sticky: str = "w/hilda", **asked: Any) -> dict[str, Any]:
    return ChatCompletions().body(request(sampling=sampling, sticky=sticky), Asked("m", vendor, **asked))


def test_openrouter_gets_its_own_fields():
    sent = body(VENDORS["openrouter"], fallback_models=("n", "o"))
    assert (sent["min_p"], sent["top_k"], sent["repetition_penalty"]) == (0.05, 40, 1.1)
    assert sent["models"] == ["m", "n", "o"]
    assert sent["provider"] == {"sort": "latency"}
    assert sent["transforms"] == []
    assert sent["stream_options"] == {"include_usage": True}


def test_preferences_of_the_settings_go_over_the_vendors():
    sent = body(VENDORS["openrouter"], provider={"order": ["Liquid"], "allow_fallbacks": False})
    assert sent["provider"] == {"sort": "latency", "order": ["Liquid"], "allow_fallbacks": False}
    assert body(VENDORS["openrouter"], provider={"sort": None})["provider"] == {}


def test_a_session_is_the_same_for_a_prompt_and_says_nothing_of_it():
    ids = [body(VENDORS["openrouter"], sticky=sticky)["session_id"] for sticky in ("w/hilda", "w/hilda", "w/mira")]
    assert ids[0] == ids[1] != ids[2]
    assert "hilda" not in ids[0]
    assert len(ids[0]) <= 256
    assert "session_id" not in body(VENDORS["openrouter"], sticky="")
    assert "prompt_cache_key" in body(VENDORS["openai"])


def test_openai_gets_nothing_that_it_does_not_know():
    sent = body(VENDORS["openai"])
    assert sent["max_completion_tokens"] == 32
    assert not {"max_tokens", "min_p", "top_k", "repetition_penalty", "provider", "models"} & sent.keys()


@pytest.mark.parametrize(
    ("vendor", "fields"),
    [
        ("llama-server", {"min_p", "top_k", "repeat_penalty"}),
        ("vllm", {"min_p", "top_k", "repetition_penalty"}),
        ("lm-studio", {"top_k", "repeat_penalty"}),
        ("ollama", set()),
        ("modelslab", set()),
    ],
)
def test_local_servers_get_the_sampling_that_they_take(vendor: Any, fields: set[str]):
    standard = {"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p", "seed"}
    assert body(VENDORS[vendor]).keys() == standard | fields


def test_settings_that_change_nothing_are_not_sent():
    neutral = Sampling(min_p=0.0, top_k=0, repeat_penalty=1.0)
    assert not {"min_p", "top_k", "repetition_penalty", "seed"} & body(VENDORS["openrouter"], neutral).keys()
