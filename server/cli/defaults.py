"""Where Barkeep's own config.yaml, personas and mods are: beside the package in a checkout, within an installed one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Source:
    """What `server.config_file.read` takes. `base`: where relative paths start; None is the folder of `path`."""

    path: Path | None
    env: Mapping[str, str]
    base: Path | None = None


def find_config(named: Path | None, env: Mapping[str, str], *, package: Path = _PACKAGE) -> Source:
    """The configuration to use: the named one, else the checkout's, else the current folder's, else the installed one.

    The installed one lies where nobody may write and nobody looks: there, data goes to the user's own folder, and a
    relative path that somebody says in the environment or with `--set` starts from the current folder.
    """
    if named is not None:
        return Source(named, env)
    packed = package / "_defaults"
    if not packed.is_dir():
        own = package.parent / "config.yaml"
        return Source(own if own.is_file() else None, env)
    if (here := Path.cwd() / "config.yaml").is_file():
        return Source(here, env)
    installed = {
        "BARKEEP__DATA_DIR": str(user_data_dir(env)),
        "BARKEEP__PERSONAS": json.dumps([str(packed / "personas")]),
        "BARKEEP__MODS__FOLDERS": json.dumps([str(packed / "mods")]),
    }
    return Source(packed / "config.yaml", {**installed, **env}, Path.cwd())


def user_data_dir(env: Mapping[str, str], *, platform: str = sys.platform) -> Path:
    """Where this user's programs keep data, by the system's custom (on Linux the XDG Base Directory Specification)."""
    if platform == "win32" and (local := env.get("LOCALAPPDATA")):
        return Path(local, "Barkeep")
    if platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Barkeep"
    xdg = env.get("XDG_DATA_HOME", "")
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".local" / "share") / "barkeep"
