"""From a route's settings to its backend."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.backends.authored import AuthoredBackend
from server.backends.base import Backend
from server.backends.hosted.backend import HostedBackend
from server.backends.hosted.session import HttpSession
from server.backends.scripted import ScriptedBackend
from server.config import AuthoredRoute, HostedRoute, LlamaRoute, RouteSettings, ScriptedRoute


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What backends share.

    Engines keep states of prompts in `cache_dir`. `http` is closed by its owner after the backends; `rng` picks
    authored lines.
    """

    model_dir: Path
    cache_dir: Path | None = None
    http: HttpSession = field(default_factory=HttpSession)
    rng: random.Random = field(default_factory=random.Random)


def make(name: str, settings: RouteSettings, *, deps: Dependencies) -> Backend:
    """The backend for one entry of `routes`, not yet started."""
    return _KINDS[settings.kind](name, settings, deps)


def _llama(name: str, settings: LlamaRoute, deps: Dependencies) -> Backend:
    # Imported where it is wanted: a server without a local route starts without the engine's modules.
    from server.backends.llama.backend import LlamaBackend

    return LlamaBackend(name, settings, model_dir=deps.model_dir, cache_dir=deps.cache_dir)


def _hosted(name: str, settings: HostedRoute, deps: Dependencies) -> Backend:
    return HostedBackend(name, settings, deps.http)


def _authored(name: str, settings: AuthoredRoute, deps: Dependencies) -> Backend:
    return AuthoredBackend(name, rng=deps.rng)


def _scripted(name: str, settings: ScriptedRoute, deps: Dependencies) -> Backend:
    return ScriptedBackend(name, settings)


_Make = Callable[[str, Any, Dependencies], Backend]
_KINDS: Mapping[str, _Make] = {
    "llama": _llama,
    "openai": _hosted,
    "anthropic": _hosted,
    "authored": _authored,
    "scripted": _scripted,
}
"""Each maker takes the settings of its own kind, which is what the discriminator of `RouteSettings` promises."""
