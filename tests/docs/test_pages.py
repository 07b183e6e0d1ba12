"""What holds for every page: links lead somewhere, commands parse, settings and files exist, examples can be read."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from server.cli import build_parser
from server.config import BlockSettings, LimitSettings, Settings, default_routes
from tests.docs import pages

COMMAND = re.compile(r"(?:\./start\.sh|start\.bat|barkeep)(?: .+)?")
BOOTSTRAP = {"--skip-engine", "--retry-engine"}
SECTIONS = ("server", "mods", "api", "routes", "routing", "dialogue", "budget", "background", "spend", "log", "limits")
SETTING = re.compile(rf"(?:{'|'.join(SECTIONS)})(?:\.[A-Za-z_]+(?:\[\])?)+")
SHELLS = ("sh", "console", "")
FILE = re.compile(
    r"(?:server|docs|tests|mods/tavern|personas|requirements)/[\w./-]*|(?:config\.yaml|bootstrap\.py|pyproject\.toml|\.ci/run)"
)
WRITTEN_BY_THE_READER = {"personas/tilda.yaml", "personas/bram.yaml"}

PARAMETERS = [pytest.param(page, id=pages.name(page)) for page in pages.PAGES]
each_page = pytest.mark.parametrize("page", PARAMETERS)


def commands(text: str) -> Iterator[str]:
    """Every command of ours in a block or in backticks, without its environment and redirections."""
    for span in pages.spans(text):
        if COMMAND.fullmatch(span):
            yield span
    for block in pages.blocks(text):
        if block.language not in SHELLS:
            continue
        for line in block.text.splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue
            words = re.sub(r"^(?:\w+=\S+ )+", "", line.removeprefix("$ "))
            command = re.sub(r" +(?:#.*|2?>>? ?\S+)$", "", words)
            if COMMAND.fullmatch(command):
                yield command


def settings_in(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for inner in models_in(field.annotation):
            yield from settings_in(inner, f"{prefix}{name}.")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


ROUTES = {"NAME", *default_routes()}
KEYS = {*settings_in(Settings), *(f"limits.{name}" for name in LimitSettings.model_fields)}
RESUMABLE = {"limits.say_characters", "limits.say_tokens"}
OF_A_PERSONA = {f"budget.{name}" for name in BlockSettings.model_fields}
"""A persona's own budget, by block, beside that of config.yaml."""


def is_setting(name: str) -> bool:
    """Whether a dotted name is a key of config.yaml; a route's name may be any."""
    parts = name.replace("[]", "").split(".")
    if parts[0] == "routes" and len(parts) > 1:
        if parts[1] not in ROUTES:
            return False
        del parts[1]
    return ".".join(parts) in KEYS


def is_code(name: str) -> bool:
    """Whether a dotted name is a module of ours, or something in one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return "." in module and hasattr(importlib.import_module(module), attribute)
    return True


def test_there_is_something_to_look_at() -> None:
    assert len(pages.PAGES) >= 12
    assert sum(1 for page in pages.PAGES for _ in commands(pages.read(page))) > 30
    assert sum(1 for page in pages.PAGES for span in pages.spans(pages.read(page)) if SETTING.fullmatch(span)) > 60


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in pages.links(pages.read(page)):
        path, _, anchor = link.partition("#")
        if re.match(r"https?:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and target.is_relative_to(pages.ROOT)
        if not is_there or (anchor and anchor not in pages.anchors(pages.read(target))):
            broken.append(link)
    assert broken == []


def parses(command: str) -> bool:
    """Whether the command line takes it; `--version` and `--help` end the program with 0."""
    _, *arguments = shlex.split(command)
    try:
        build_parser().parse_args([argument for argument in arguments if argument not in BOOTSTRAP])
    except SystemExit as end:
        return end.code == 0
    return True


@each_page
def test_every_command_parses(page: Path) -> None:
    assert [command for command in commands(pages.read(page)) if not parses(command)] == []


@each_page
def test_every_setting_exists(page: Path) -> None:
    text = pages.read(page)
    named = [span.partition(":")[0].partition("=")[0] for span in pages.spans(text)]
    named += re.findall(r"--set ([\w.]+)=", text)
    named += [key.lower().replace("__", ".") for key in re.findall(r"\bBARKEEP__(\w+)", text)]
    unknown = [
        name
        for name in named
        if SETTING.fullmatch(name)
        and not is_setting(name)
        and name not in RESUMABLE | OF_A_PERSONA
        and not is_code(name)
    ]
    assert unknown == []


@each_page
def test_every_file_exists(page: Path) -> None:
    titles = {block.title for block in pages.blocks(pages.read(page))}
    named = {span for span in pages.spans(pages.read(page)) if FILE.fullmatch(span)}
    assert {name for name in named - titles - WRITTEN_BY_THE_READER if not (pages.ROOT / name).exists()} == set()


@each_page
def test_json_and_yaml_can_be_read(page: Path) -> None:
    for block in pages.blocks(pages.read(page)):
        if block.language == "json":
            json.loads(block.text)
        if block.language == "yaml":
            yaml.safe_load(block.text)


def test_every_page_is_in_the_index() -> None:
    text = pages.read("docs/README.md")
    listed = {(pages.ROOT / "docs" / link).resolve() for link in pages.links(text)}
    assert set(pages.PAGES) - listed == {pages.ROOT / "docs" / "README.md"}
