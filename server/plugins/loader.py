"""From a folder with a mod.yaml to a `Mod`."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from server import problems, yamlfile
from server.errors import ModError, YamlError
from server.plugins.hooks import Mod

MANIFEST = "mod.yaml"
PACKAGE = "barkeep_mods"
"""The package that all mods are loaded into; it exists in memory alone."""


class Manifest(BaseModel):
    """mod.yaml. `entry` is `file:Class`, the file without `.py`, in the mod's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
    version: Annotated[str, StringConstraints(max_length=32)]
    summary: Annotated[str, StringConstraints(max_length=256)]
    entry: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$")]


@dataclass(frozen=True, slots=True)
class LoadedMod:
    """A mod that was imported and constructed, and where it lies."""

    manifest: Manifest
    folder: Path
    mod: Mod

    @property
    def personas(self) -> Path | None:
        """Its folder of personas, if it has one."""
        folder = self.folder / "personas"
        return folder if folder.is_dir() else None


def load_mod(name: str, folders: Sequence[Path]) -> LoadedMod:
    """Import the mod of this name from the first folder that has it.

    Raises:
        ModError: there is none, its manifest is wrong, or its code cannot be loaded.
    """
    folder = _find(name, folders)
    manifest = _manifest(folder)
    if manifest.name != name:
        raise ModError(f"{folder / MANIFEST}: name is {manifest.name!r}, the folder is {name!r}", "make them the same")
    return LoadedMod(manifest, folder, _construct(manifest, folder))


def _find(name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        if (folder / name / MANIFEST).is_file():
            return folder / name
    known = [each.parent.name for folder in folders if folder.is_dir() for each in folder.glob(f"*/{MANIFEST}")]
    close = yamlfile.nearest(name, known)
    hint = f"did you mean {close}?" if close else f"a mod is a folder with a {MANIFEST}, in one of mods.folders"
    raise ModError(f"mod {name}: no such folder in {', '.join(map(str, folders)) or 'mods.folders'}", hint)


def _manifest(folder: Path) -> Manifest:
    try:
        document = yamlfile.load(folder / MANIFEST)
    except YamlError as error:
        raise ModError(error.message, error.hint) from error
    try:
        return Manifest.model_validate(document.data)
    except ValidationError as error:

        def locate(key: yamlfile.KeyPath) -> tuple[str, int]:
            return str(folder / MANIFEST), document.line(key)

        raise ModError(str(problems.of_validation(error, Manifest, document.data, locate)[0])) from error


def _construct(manifest: Manifest, folder: Path) -> Mod:
    module_name, class_name = manifest.entry.split(":")
    path = folder / f"{module_name}.py"
    if not path.is_file():
        raise ModError(f"mod {manifest.name}: {path} is not there", f"`entry` in {MANIFEST} names it")
    package = _package(manifest.name, folder)
    try:
        mod = getattr(importlib.import_module(f"{package}.{module_name}"), class_name)()
    except Exception as error:  # the plug-in border: whatever its code does wrong, the server goes on without it
        raise ModError(f"mod {manifest.name}: {type(error).__name__}: {error}", f"look at {path}") from error
    if not isinstance(mod, Mod):
        raise ModError(f"mod {manifest.name}: {class_name} is no server.plugins.Mod", "subclass it")
    return mod


def _package(name: str, folder: Path) -> str:
    """Make the folder a package of its own, so that its files can import each other (`from .door import Door`)."""
    full_name = f"{PACKAGE}.{name}"
    # A mod of this name may have been loaded from another folder; its modules must not answer for this one.
    for loaded in [each for each in sys.modules if each == full_name or each.startswith(f"{full_name}.")]:
        del sys.modules[loaded]
    for package, path in ((PACKAGE, []), (full_name, [str(folder)])):
        module = types.ModuleType(package)
        module.__path__ = path
        sys.modules[package] = module
    importlib.invalidate_caches()
    return full_name
