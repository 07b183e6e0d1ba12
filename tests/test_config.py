"""What is written about settings is what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from server import config_file, yamlfile
from server.config import (
    AnthropicRoute,
    AuthoredRoute,
    LlamaRoute,
    OpenAIRoute,
    ScriptedRoute,
    Settings,
    default_routes,
)

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
KINDS: dict[str, type[BaseModel]] = {
    "llama": LlamaRoute,
    "openai": OpenAIRoute,
    "anthropic": AnthropicRoute,
    "authored": AuthoredRoute,
    "scripted": ScriptedRoute,
}


class Row(NamedTuple):
    """A row of the page: what it says about one key."""

    default: Any
    range: str
    why: str


class Key(NamedTuple):
    """A key in the code."""

    default: Any
    field: FieldInfo


def rows() -> Iterator[tuple[str, Row]]:
    kind = ""
    for line in PAGE.splitlines():
        if line.startswith("### "):
            found = re.search(r"`kind: (\w+)`", line)
            kind = f"{found[1]}:" if found else ""
        if found := re.fullmatch(r"\| `([^`]+)` \| (needed|`.*?`) \| (.*?) \| (.*) \|", line):
            default = "needed" if found[2] == "needed" else yamlfile.parse(found[2].strip("`"), "page")
            yield kind + found[1], Row(default, found[3], found[4])


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Key]]:
    for name, field in model.model_fields.items():
        entry = get_args(field.annotation)[0] if get_origin(field.annotation) is tuple else None
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        elif (prefix, name) != ("", "routes"):
            default = field.default
            yield prefix + name, Key("needed" if default is PydanticUndefined else to_jsonable_python(default), field)
        if isinstance(entry, type) and issubclass(entry, BaseModel):
            yield from keys(entry, f"{prefix}{name}[].")


def all_keys() -> dict[str, Key]:
    found = dict(keys(Settings))
    for kind, model in KINDS.items():
        found.update(keys(model, f"{kind}:routes.NAME."))
    return found


CODE = all_keys()


def test_the_page_has_every_key_once_and_no_other() -> None:
    listed = [key for key, _ in rows()]
    assert sorted(listed) == sorted(CODE)


@pytest.mark.parametrize("key", CODE)
def test_the_page_gives_the_default_of_the_code(key: str) -> None:
    assert dict(rows())[key].default == CODE[key].default


@pytest.mark.parametrize("key", [key for key, (_, field) in CODE.items() if isinstance(field.default, int | float)])
def test_the_page_gives_the_range_of_the_code(key: str) -> None:
    limits = CODE[key].field.metadata
    bounds = {name: getattr(each, name) for each in limits for name in ("gt", "ge", "le") if hasattr(each, name)}
    match bounds:
        case {"gt": low}:
            expected = f"above {low}"
        case {"ge": low, "le": high}:
            expected = f"{low} to {high}"
        case {"ge": low}:
            expected = f"{low} or more"
        case _:
            expected = "true or false"
    assert dict(rows())[key].range == expected


@pytest.mark.parametrize("key", CODE)
def test_every_key_has_a_reason(key: str) -> None:
    assert dict(rows())[key].why.endswith(".")


def test_every_kind_of_route_is_on_the_page() -> None:
    annotation = Settings.model_fields["routes"].annotation
    union = get_args(get_args(get_args(annotation)[1])[0])
    assert set(union) == set(KINDS.values())


def test_config_yaml_says_every_key_at_its_default() -> None:
    shipped = yamlfile.load(ROOT / "config.yaml").data
    by_code = to_jsonable_python(Settings())
    by_code["data_dir"] = "./data"
    assert shipped == by_code


def test_config_yaml_makes_the_settings_of_no_file_at_all() -> None:
    assert config_file.load(ROOT / "config.yaml", {}, []) == config_file.read(None, {}, [], base=ROOT).settings


def test_every_line_of_config_yaml_is_explained() -> None:
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    # Names of routes and the two keys told together with the one above carry no comment of their own.
    told_above = {"player:", "file:", "kind:", "base_url:", "model:", "api_key:", "llama", "routes:", "limits:"}
    for before, line in zip(["", *lines], lines, strict=False):
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or stripped.endswith(":") or "#" in stripped:
            continue
        assert before.strip().startswith("#") or stripped.split()[0] in told_above, line


def test_the_default_routes_are_in_the_default_order() -> None:
    assert tuple(default_routes()) == Settings().dialogue.order
