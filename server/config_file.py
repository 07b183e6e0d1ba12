"""Settings from config.yaml, the environment and `--set`, each over the one before.

    config.yaml                     routes: {local: {path: models/mine.gguf}}
    environment                     BARKEEP__ROUTES__LOCAL__PATH=models/mine.gguf
    command line                    --set routes.local.path=models/mine.gguf

`${NAME}` inside a text of the file is the environment variable NAME, or nothing where it is not set: a missing key is
a state that the server reports, not a mistake. Relative paths, wherever they are written, start from the file's folder.
A key that takes text or a path takes what the environment and `--set` say as it stands; every other reads it as YAML.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError

from server import problems, yamlfile
from server.config import LlamaRoute, Settings, default_routes, key_variable
from server.errors import ConfigError, YamlError
from server.problems import Problem
from server.yamlfile import Document, KeyPath

ENV_PREFIX: Final = "BARKEEP__"
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HELP: Final = "docs/configuration.md explains every key"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """Settings, the file they came from (None: defaults alone), and what is allowed but probably not meant."""

    settings: Settings
    path: Path | None
    warnings: tuple[str, ...] = ()


def load(path: Path | None, env: Mapping[str, str], sets: Sequence[str]) -> Settings:
    """The settings of `read`, without its warnings."""
    return read(path, env, sets).settings


def read(path: Path | None, env: Mapping[str, str], sets: Sequence[str], *, base: Path | None = None) -> LoadedConfig:
    """Read the configuration; with `path` None it begins with the defaults.

    `base` is where relative paths start; without it the folder of `path`, or the working folder where there is no file.

    Raises:
        ConfigError: the file cannot be read, or something in it, in `env` or in `sets` is impossible.
    """
    layers = _Layers(path, env)
    for name in sorted(env, key=lambda name: (name.count("__"), name)):
        if name.upper().startswith(ENV_PREFIX):
            layers.put(tuple(name.lower().split("__")[1:]), env[name], name)
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {key[:64]}: has no value", "write it as --set server.port=8642")
        layers.put(tuple(key.strip().split(".")), value, "--set")
    settings = layers.settings()
    start = base or (path.resolve().parent if path else Path.cwd())
    return LoadedConfig(_anchored(settings, start), path, tuple(_warnings(settings)))


class _Layers:
    """The data of all sources, and for each key that did not come from the file, which source it was."""

    def __init__(self, path: Path | None, env: Mapping[str, str]) -> None:
        try:
            self._document = yamlfile.load(path) if path else Document(Path("config"), None)
        except YamlError as error:
            raise ConfigError(error.message, error.hint or _HELP) from error
        self._origins: dict[KeyPath, str] = {}
        data = {} if self._document.data is None else self._document.data
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: must be a mapping of keys to values", _HELP)
        # A section whose keys are all commented out is as good as one that is not there.
        data = {key: value for key, value in data.items() if value is not None or key not in Settings.model_fields}
        data.setdefault("routes", _default_routes())
        self._data: dict[str, Any] = _substituted(data, env)
        self._env = env

    def put(self, key: KeyPath, text: str, origin: str) -> None:
        """Set `key` to what `text` says."""
        inner: Any = self._data
        for part in key[:-1]:
            if not isinstance(inner.get(part), dict):
                if inner.get(part) is not None:
                    raise ConfigError(f"{origin}: {part} takes one value and has no keys of its own", _HELP)
                inner[part] = {}
            inner = inner[part]
        inner[key[-1]] = self._value(key, text)
        self._origins[key] = origin

    def settings(self) -> Settings:
        """The settings that the data makes."""
        self._take_keys()
        try:
            settings = Settings.model_validate(self._data)
        except ValidationError as error:
            found = problems.of_validation(error, Settings, self._data, self._locate)
            raise _refusal(found) from None  # pydantic's own words may repeat a secret
        found = [Problem(*self._locate(key), problems.dotted(key), *rest) for key, *rest in _contradictions(settings)]
        if found:
            raise _refusal(found)
        return settings

    def _take_keys(self) -> None:
        """Give each route that names a vendor but no key the one in that vendor's variable."""
        routes = self._data.get("routes")
        for route in routes.values() if isinstance(routes, dict) else ():
            if isinstance(route, dict) and isinstance(vendor := route.get("vendor"), str) and not route.get("api_key"):
                route |= {"api_key": key} if (key := self._env.get(key_variable(vendor))) else {}

    def _value(self, key: KeyPath, text: str) -> Any:
        types = set(problems.annotations_at(Settings, key, self._data))
        if types and types <= {str, SecretStr, Path, NoneType}:
            return None if NoneType in types and text.strip() in ("", "null", "~") else text
        try:
            return yamlfile.parse(text, problems.dotted(key))
        except YamlError:
            return text

    def _locate(self, key: KeyPath) -> tuple[str, int]:
        for end in range(len(key), 0, -1):
            if key[:end] in self._origins:
                return self._origins[key[:end]], 0
        if key not in self._document.lines:
            for origin_key, origin in self._origins.items():
                if origin_key[: len(key)] == key:
                    return origin, 0
        return str(self._document.path), self._document.line(key)


def _refusal(found: Sequence[Problem]) -> ConfigError:
    if len(found) == 1:
        only = found[0]
        return ConfigError(str(Problem(only.file, only.line, only.field, only.message)), only.hint or _HELP)
    return ConfigError("\n".join([f"{len(found)} problems", *(f"  {problem}" for problem in found)]), _HELP)


def _default_routes() -> dict[str, Any]:
    return {name: route.model_dump(mode="json") for name, route in default_routes().items()}


def _substituted(value: Any, env: Mapping[str, str]) -> Any:
    """`value` with each `${NAME}` replaced; what a variable holds is not looked at again."""
    if isinstance(value, dict):
        return {key: _substituted(each, env) for key, each in value.items()}
    if isinstance(value, list):
        return [_substituted(each, env) for each in value]
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: env.get(found[1], ""), value)
    return value


def _anchored(value: Any, base: Path) -> Any:
    """`value` with every path in it made absolute."""
    if isinstance(value, Path):
        return base / os.path.expanduser(value)
    if isinstance(value, BaseModel):
        fields = {name: _anchored(getattr(value, name), base) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, tuple):
        return tuple(_anchored(each, base) for each in value)
    if isinstance(value, dict):
        return {key: _anchored(each, base) for key, each in value.items()}
    return value


def _contradictions(settings: Settings) -> Iterator[tuple[KeyPath, str, str]]:
    """What no single key gets wrong: (key, message, hint)."""
    yield from _wrong_names(("dialogue", "order"), settings.dialogue.order, settings.routes)
    for purpose, order in settings.routing.orders.items():
        yield from _wrong_names(("routing", "orders", purpose), order, settings.routes)
    if not is_loopback(settings.server.host) and settings.server.token is None:
        hint = "set server.token, or use 127.0.0.1"
        yield ("server", "host"), "is open to other machines, and no token is set", hint


def _wrong_names(
    key: KeyPath, order: tuple[str, ...], routes: Mapping[str, object]
) -> Iterator[tuple[KeyPath, str, str]]:
    for index, name in enumerate(order):
        if name not in routes:
            near = yamlfile.nearest(name, routes)
            hint = f"did you mean '{near}'?" if near else f"the routes are: {', '.join(routes) or 'none'}"
            yield (*key, index), f"'{name[:64]}' is not one of the routes", hint
        elif name in order[:index]:
            yield (*key, index), f"names '{name}' twice", "keep one of them"
    if not order:
        yield key, "names no route", "[authored] answers without a model or a key"


def is_loopback(host: str) -> bool:
    """True where `host` can be reached from this machine alone; no name but `localhost` is trusted to be."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _warnings(settings: Settings) -> Iterator[str]:
    budget, dialogue = settings.budget, settings.dialogue
    for name in dialogue.order:
        route = settings.routes[name]
        if isinstance(route, LlamaRoute) and route.context < budget.prompt_tokens + budget.reply_tokens:
            yield (
                f"routes.{name}.context ({route.context}) is smaller than budget.prompt_tokens + budget.reply_tokens "
                f"({budget.prompt_tokens + budget.reply_tokens}): the longest prompts go to the next route"
            )
    if dialogue.first_text_ms > dialogue.turn_ms:
        yield "dialogue.first_text_ms is longer than dialogue.turn_ms: the turn ends first"
    if not any(settings.routes[name].kind == "authored" for name in dialogue.order):
        yield "dialogue.order has no authored route: where all others fail, an NPC only deflects, and late"
