import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.backends.hosted.listing import ModelInfo, Price, read_listing

OPENROUTER = {
    "data": [
        {
            "id": "liquid/lfm-2-24b-a2b",
            "context_length": 128_000,
            "pricing": {"prompt": "0.00000005", "completion": "0.0000007", "request": "0"},
            "top_provider": {"context_length": 32_768},
        },
        {"id": "openrouter/auto", "context_length": 2_000_000, "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "other/model:free", "pricing": {"prompt": "0", "completion": "0"}},
    ]
}


def listing(body: object):
    return read_listing(json.dumps(body).encode())


def test_prices_and_the_smaller_context_are_read():
    known = listing(OPENROUTER).models
    assert known["liquid/lfm-2-24b-a2b"] == ModelInfo(Price(5e-8, 7e-7), 32_768)
    assert known["openrouter/auto"].price is None
    assert known["other/model:free"].price == Price(0, 0)


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"max_model_len": 4_096}, 4_096),
        ({"meta": {"n_ctx": 8_192, "n_ctx_train": 128_000}}, 8_192),
        ({"meta": {"n_ctx_train": 128_000}}, 128_000),
        ({"max_input_tokens": 200_000}, 200_000),
        ({"context_length": "many"}, None),
        ({"context_length": True}, None),
        ({"context_length": -1}, None),
        ({}, None),
    ],
)
def test_contexts_in_the_words_of_other_servers(entry: dict[str, object], context: int | None):
    assert listing({"data": [{"id": "m", **entry}]}).models["m"].context_tokens == context


@pytest.mark.parametrize(
    "pricing",
    [None, "cheap", {}, {"prompt": "0.1"}, {"prompt": 3, "completion": 4}, {"prompt": "nan", "completion": "0"}],
)
def test_a_price_that_is_none_or_in_another_unit_is_not_known(pricing: object):
    assert listing({"data": [{"id": "m", "pricing": pricing}]}).models["m"].price is None


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"7", b"{}", b'{"data":{}}', b'{"data":[1,{"id":2},{"id":""}]}', b"[" * 9_000]
)
def test_what_is_no_list_is_an_empty_one(body: bytes):
    assert not read_listing(body).models


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "id", "pricing", "prompt", "completion", "context_length", "top_provider", "meta", "n_ctx"]
                ),
                each,
            )
        ),
    )
)
def test_no_list_breaks_the_reader(body: object):
    read_listing(json.dumps(body).encode())


def test_names_that_a_terminal_would_obey_are_passed_over():
    assert list(listing({"data": [{"id": "\x1b[2Jm"}, {"id": "m"}]}).models) == ["m"]


def test_a_variant_has_the_context_of_its_model_but_no_price():
    known = listing(OPENROUTER)
    assert known.find("liquid/lfm-2-24b-a2b:nitro") == ModelInfo(None, 32_768)
    assert known.find("nobody/nothing") is None
    assert listing({"data": [{"id": "lfm2:latest"}]}).find("lfm2") == ModelInfo()


def test_alternatives_are_near_in_spelling_or_of_the_same_family():
    known = listing(
        {"data": [{"id": name} for name in ("liquid/lfm-2-24b-a2b", "liquid/lfm2-8b-a1b", "qwen/qwen3-4b")]}
    )
    assert known.near("liquid/lfm-2-24b")[0] == "liquid/lfm-2-24b-a2b"
    assert "liquid/lfm2-8b-a1b" in known.near("lfm-3b")
    assert known.near("zzzzzz") == []
