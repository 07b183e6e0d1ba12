"""Where the frontends are, and how they are started. Standard library only: `install.py` runs before anything else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(__file__).with_name("package.json")
HOME = ROOT / "build" / "frontends"
DONE = HOME / "installed.json"
"""A copy of the package.json of which everything is installed."""
SILLYTAVERN = HOME / "node_modules" / "sillytavern"
ARTIFACTS = ROOT / "build" / "artifacts"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser() -> str:
    """The Chromium to drive; empty where there is none."""
    named = os.environ.get("BARKEEP_CHROMIUM", "")
    return named or next((found for name in BROWSERS if (found := shutil.which(name))), "")


def missing(*, with_browser: bool = False) -> str:
    """Why the frontends cannot be driven; empty where they can."""
    if shutil.which("node") is None:
        return "node is not on PATH"
    if not DONE.is_file() or DONE.read_bytes() != PACKAGES.read_bytes():
        return "SillyTavern is not installed: ./test.sh frontends gets it"
    if with_browser and not browser():
        return "Chromium is not on PATH, and BARKEEP_CHROMIUM names none"
    return ""


def start_command(folder: Path, port: int) -> tuple[list[str], Path]:
    """The command that starts SillyTavern with all its data in `folder`, and the folder to start it in.

    It listens on loopback alone, asks for no password and opens no browser. What it packed is kept for all others.
    """
    data = folder / "data"
    packed = SILLYTAVERN / "dist" / "_webpack"
    packed.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "_webpack").exists():
        (data / "_webpack").symlink_to(packed)
    _settle(folder, data)
    options = {
        "configPath": str(folder / "config.yaml"),
        "dataRoot": str(data),
        "port": str(port),
        "listen": "false",
        "browserLaunchEnabled": "false",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    return ["node", "server.js", *given], SILLYTAVERN


def _settle(folder: Path, data: Path) -> None:
    """Its own defaults, but that nothing outside of this machine is asked for: no shared models, no updates."""
    config = {
        "whitelistDockerHosts": False,
        "enableDownloadableTokenizers": False,
        "extensions": {"autoUpdate": False, "notifyUpdates": False, "models": {"autoDownload": False}},
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    settings = json.loads((SILLYTAVERN / "default" / "content" / "settings.json").read_bytes())
    user = data / "default-user"
    user.mkdir(exist_ok=True)
    (user / "settings.json").write_text(json.dumps({**settings, "main_api": "openai"}), encoding="utf-8")


def environment() -> dict[str, str]:
    """SillyTavern asks git for its revision, and packs its page anew for another one: ours is not its."""
    return {**os.environ, "GIT_CEILING_DIRECTORIES": str(SILLYTAVERN.parent), "NODE_ENV": "production"}
