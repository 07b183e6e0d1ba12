import pytest

from server.backends.hosted.catalogue import ALIASES, model_id, refused_fields
from server.backends.hosted.vendors import VENDORS


def test_a_short_name_means_what_the_vendor_calls_it():
    assert model_id("lfm2-24b", "openrouter") == "liquid/lfm-2-24b-a2b"
    assert model_id("lfm2-24b", "modelslab") == "liquid-lfm-2-24b-a2b"
    assert model_id("lfm-3b", "openrouter") == "liquid/lfm-3b"
    assert model_id("lfm-40b", "openrouter") == "liquid/lfm-40b"


def test_any_other_name_stays_as_it_is():
    assert model_id("lfm2-24b", None) == "lfm2-24b"
    assert model_id("lfm2-24b", "ollama") == "lfm2-24b"
    assert model_id("mine", "openrouter") == "mine"


def test_short_names_lead_to_known_vendors():
    assert {vendor for ids in ALIASES.values() for vendor in ids} <= set(VENDORS)


@pytest.mark.parametrize(
    ("model", "refuses"),
    [("o3", True), ("openai/gpt-5-mini", True), ("gpt-5-chat-latest", False), ("gpt-4o", False), ("lfm-40b", False)],
)
def test_models_that_take_no_temperature(model: str, refuses: bool):
    assert ("temperature" in refused_fields(model)) is refuses
