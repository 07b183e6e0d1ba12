from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from server import problems
from server.config import Settings
from server.errors import YamlError
from server.problems import Problem


def found(data: dict[str, Any]) -> dict[str, Problem]:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(data)
    listed = problems.of_validation(refused.value, Settings, data, lambda key: ("config.yaml", len(key)))
    by_field = {problem.field: problem for problem in listed}
    assert len(by_field) == len(listed)
    return by_field


@pytest.mark.parametrize(
    ("data", "field", "message", "hint"),
    [
        ({"server": {"prot": 1}}, "server.prot", "unknown key", "did you mean 'port'?"),
        ({"routes": {"a": {"kind": "llama", "pth": 1}}}, "routes.a.pth", "unknown key", "did you mean 'path'?"),
        ({"routes": {"a": {"kind": "openai"}}}, "routes.a.model", "is missing", ""),
        ({"routes": {"a": {"kind": "lama"}}}, "routes.a", "kind must be one of", "did you mean 'llama'?"),
        ({"routes": {"a": {"model": "x"}}}, "routes.a", "needs the key kind", ""),
        ({"routes": {"A": {"kind": "authored"}}}, "routes.A", "must match", ""),
        ({"server": {"port": 70_000}}, "server.port", "must be at most 65535", ""),
        ({"server": {"port": "x"}}, "server.port", "must be a whole number", ""),
        ({"server": {"limits": {"send_s": float("inf")}}}, "server.limits.send_s", "must be a finite number", ""),
        ({"server": 5}, "server", "must be a mapping of keys to values", ""),
        ({"log": {"level": "wraning"}}, "log.level", "must be 'debug'", "did you mean 'warning'?"),
        ({"log": {"content": "maybe"}}, "log.content", "must be true or false", ""),
        ({"personas": "here"}, "personas", "must be a list", "write it as [value]"),
        ({"dialogue": {"order": ["a", 3]}}, "dialogue.order[1]", "must be text", "put the value in quotes"),
        ({"world": {"a": 1}}, "world", "must be text", "in quotes"),
        ({"world": ""}, "world", "must not be empty", ""),
    ],
)
def test_a_mistake_is_explained_in_plain_words(data: dict[str, Any], field: str, message: str, hint: str) -> None:
    problem = found(data)[field]
    assert message in problem.message
    assert hint in problem.hint


def test_the_members_of_a_union_are_one_problem() -> None:
    problem = found({"routes": {"a": {"kind": "llama", "threads": "many"}}})["routes.a.threads"]
    assert problem.message == "must be 'auto' or a whole number"


def test_a_short_list_of_keys_is_shown_where_none_is_near() -> None:
    problem = found({"log": {"zzz": 1}})["log.zzz"]
    assert problem.hint == "valid keys: level, content"


def test_values_are_never_repeated() -> None:
    canary = "hunter2-canary"
    data = {
        "server": {"token": {"value": canary}, "port": canary, "host": [canary]},
        "routes": {"a": {"kind": "openai", "api_key": [canary], "base_url": {canary: 1}, "model": "m"}},
        "log": {"level": canary},
    }
    listed = found(data)
    assert {"server.token", "server.port", "routes.a.api_key", "log.level"} <= listed.keys()
    assert canary not in "".join(map(str, listed.values()))


def test_a_problem_reads_as_one_line() -> None:
    assert (
        str(Problem("a.yaml", 3, "core", "is empty", "say who this is")) == "a.yaml:3: core: is empty (say who this is)"
    )
    assert str(Problem("a.yaml", 0, "", "cannot be read")) == "a.yaml: cannot be read"


def test_an_unreadable_file_becomes_a_problem() -> None:
    problem = problems.of_yaml(YamlError("a.yaml", 7, "is not UTF-8", "save it"))
    assert problem == Problem("a.yaml", 7, "", "is not UTF-8", "save it")


def test_types_are_found_through_unions() -> None:
    assert set(problems.annotations_at(Settings, ("server", "token"))) == {SecretStr, type(None)}
    assert set(problems.annotations_at(Settings, ("routes", "x", "path"))) == {Path, type(None)}
    assert problems.annotations_at(Settings, ("server", "nothing")) == ()
    llama = {"routes": {"x": {"kind": "llama"}}}
    assert problems.annotations_at(Settings, ("routes", "x", "base_url"), llama) == ()
