import pytest
from pydantic import SecretStr

from server.backends.hosted.replicas import Replicas
from server.backends.hosted.target import Target, is_near, resolve
from server.backends.hosted.vendors import ANY_URL, VENDORS
from server.config import AnthropicRoute, OpenAIRoute

KEY = "sk-canary-0123456789"


def openai(**fields: object) -> Target:
    return resolve("mine", OpenAIRoute.model_validate({"kind": "openai", "model": "m", **fields}))


def anthropic(**fields: object) -> Target:
    return resolve("mine", AnthropicRoute.model_validate({"kind": "anthropic", "model": "m", **fields}))


def test_a_vendor_gives_address_quirks_and_names_of_models():
    target = openai(vendor="openrouter", model="lfm2-24b", fallback_models=["lfm2-8b", "other"], api_key=KEY)
    assert [str(url) for url in target.urls] == ["https://openrouter.ai/api/v1"]
    assert target.asked.model == "liquid/lfm-2-24b-a2b"
    assert target.asked.fallback_models == ("liquid/lfm2-8b-a1b", "other")
    assert target.vendor is VENDORS["openrouter"]
    assert not target.missing


def test_an_address_of_ones_own_wins_over_the_vendors():
    target = openai(vendor="vllm", base_url=["http://10.0.0.5:8000/v1/", "http://10.0.0.6:8000/v1"])
    assert [str(url) for url in target.urls] == ["http://10.0.0.5:8000/v1", "http://10.0.0.6:8000/v1"]
    assert target.vendor is VENDORS["vllm"]


def test_a_provider_is_known_by_its_address_alone():
    assert openai(base_url="https://openrouter.ai/api/v1", model="lfm-3b").asked.model == "liquid/lfm-3b"
    assert openai(base_url="http://127.0.0.1:9/v1").vendor is ANY_URL


def test_both_formats_of_modelslab_are_known():
    assert str(openai(vendor="modelslab", api_key=KEY).urls[0]).endswith("/api/v7/llm")
    assert str(anthropic(vendor="modelslab", api_key=KEY).urls[0]).endswith("/api/v7/llm/v1")
    assert openai(vendor="modelslab", api_key=KEY).list_path == "v1/models"
    assert anthropic(vendor="modelslab", api_key=KEY).list_path == "models"


@pytest.mark.parametrize(
    ("fields", "paid"),
    [
        ({"vendor": "openrouter"}, True),
        ({"vendor": "ollama"}, False),
        ({"base_url": "http://127.0.0.1:9/v1"}, False),
        ({"base_url": "http://192.168.1.7/v1"}, False),
        ({"base_url": ["http://192.168.1.7/v1", "https://models.example.com/v1"]}, True),
        ({"base_url": "https://models.example.com/v1"}, True),
        ({"base_url": "https://models.example.com/v1", "paid": False}, False),
        ({"base_url": "http://127.0.0.1:9/v1", "paid": True}, True),
    ],
)
def test_what_costs_money(fields: dict[str, object], paid: bool):
    assert openai(**fields).paid is paid


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "10.1.2.3", "fe80::1", "gaming-pc", "pc.lan", "pc.local"]
)
def test_servers_of_this_house(host: str):
    assert is_near(host)


@pytest.mark.parametrize("host", ["openrouter.ai", "8.8.8.8", "local.example.com", "2001:4860:4860::8888"])
def test_servers_elsewhere(host: str):
    assert not is_near(host)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        (openai(vendor="anthropic", api_key=KEY), "kind to anthropic"),
        (anthropic(vendor="openai", api_key=KEY), "kind to openai"),
        (openai(), "routes.mine.base_url"),
        (openai(base_url=["http://127.0.0.1/v1", "nowhere"]), "routes.mine.base_url"),
        (openai(vendor="ollama", model=" "), "routes.mine.model"),
        (openai(vendor="modelslab"), "MODELSLAB_API_KEY"),
        (openai(base_url="https://models.example.com/v1"), "MINE_API_KEY"),
        (openai(vendor="openai", api_key="sk\nno"), "copy it again"),
    ],
)
def test_what_is_missing_is_said_as_a_hint(target: Target, hint: str):
    assert hint in target.missing


def test_the_key_is_in_no_repr_and_takes_the_place_of_a_password():
    target = openai(base_url="https://me:canary@models.example.com/v1", api_key=SecretStr(f" {KEY}\n"))
    assert KEY not in repr(target)
    assert "canary" not in repr(target)
    assert target.key == KEY
    without_key = openai(base_url="http://me:canary@127.0.0.1:9/v1")
    assert "canary" not in repr(without_key)
    assert "canary" not in repr(Replicas(without_key.urls).all)
