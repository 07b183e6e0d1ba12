import pytest

from server.backends.hosted.lessons import Lessons
from server.backends.hosted.target import resolve
from server.config import OpenAIRoute
from server.errors import RouteBroken, RouteRejected

BODY = {"model": "m", "messages": [], "temperature": 0.7, "min_p": 0.1, "seed": 3, "stop": ["a"]}


def lessons(**fields: object) -> Lessons:
    base = {"kind": "openai", "vendor": "modelslab", "model": "m", "api_key": "sk-1"}
    return Lessons(resolve("mine", OpenAIRoute.model_validate({**base, **fields})))


def refused(message: str, status: int = 400) -> RouteRejected:
    return RouteRejected(message, status=status)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("min_p: extra fields not permitted", "min_p"),
        ("Unrecognized request argument supplied: `seed`", "seed"),
        ('"stop" is not allowed', "stop"),
    ],
)
def test_a_refused_field_is_left_out_from_then_on(message: str, field: str):
    learnt = lessons()
    assert learnt.learn(refused(message), BODY)
    assert learnt.applied_to(BODY).keys() == BODY.keys() - {field}
    assert not learnt.learn(refused(message), learnt.applied_to(BODY))


@pytest.mark.parametrize(
    "error",
    [
        refused("please stop asking for seeds"),
        refused("'model' is not supported"),
        refused("top_k is not supported"),
        refused("temperature", 403),
        RouteBroken("temperature"),
    ],
)
def test_nothing_is_learnt_from_other_failures(error: RouteBroken | RouteRejected):
    learnt = lessons()
    assert not learnt.learn(error, BODY)
    assert learnt.applied_to(BODY) == BODY


def test_the_key_goes_into_the_body_once_the_header_was_refused():
    learnt = lessons()
    assert learnt.learn(refused("no key", 401), BODY)
    assert learnt.applied_to(BODY) == {**BODY, "key": "sk-1", "model_id": "m"}
    assert not learnt.learn(refused("no key", 401), BODY)


def test_where_the_key_goes_can_be_said():
    assert "key" in lessons(key_in_body=True).applied_to(BODY)
    assert not lessons(key_in_body=False).learn(refused("no key", 401), BODY)
    assert not lessons(vendor="openai").learn(refused("no key", 401), BODY)
    assert not lessons(api_key=None).learn(refused("no key", 401), BODY)


def test_what_a_model_is_known_to_refuse_is_never_sent():
    assert "temperature" not in lessons(model="gpt-5-mini", vendor="openai").applied_to(BODY)
