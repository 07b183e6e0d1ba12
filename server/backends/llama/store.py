"""Where model files lie, how they get there, and which of them this machine can run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from server.backends.llama.catalogue import KNOWN_MODELS
from server.backends.llama.machine import memory_bytes
from server.config import LlamaRoute, Settings

CACHE_BYTES_PER_TOKEN = 16_384
"""Attention cache of LFM2-2.6B in f16 (2 * 8 layers * 8 heads * 64 values * 2 bytes); smaller models need less."""

HOUSE_FILE = Path(__file__).resolve().parent / "house.gguf"
HOUSE_NOTE = "the house model, for trying things out"
HOUSE_HINT = "house model: for trying things out; `barkeep model pull` for the real one"

_WORK_BYTES = 300_000_000
_USABLE_MEMORY = 0.7
"""A game, a desktop and the file cache need the rest."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of `barkeep model list`. `fits` is None where the machine does not tell; `routes` use it."""

    repo: str
    file: str
    size_bytes: int
    path: Path | None
    fits: bool | None
    routes: tuple[str, ...]
    note: str

    @property
    def present(self) -> bool:
        """True when the file is on this machine."""
        return self.path is not None


def model_path(file: str, model_dir: Path) -> Path:
    """Where the hub's `file` lies once it was pulled: in `model_dir` itself, whatever folder it has on the hub."""
    return model_dir / PurePosixPath(file).name


def resolve(route: LlamaRoute, model_dir: Path) -> Path | None:
    """The file that `route` names, by path or by its name on the hub; None when it is not there."""
    path = _named(route, model_dir)
    return path if path.is_file() else None


def _named(route: LlamaRoute, model_dir: Path) -> Path:
    return HOUSE_FILE if route.is_house else route.path or model_path(route.file, model_dir)


def missing_hint(route: LlamaRoute, model_dir: Path) -> str:
    """What to do when `resolve` gives None."""
    if route.is_house:
        return "The house model is missing: this copy of Barkeep is not whole. Fetch it again."
    if route.path is not None:
        return f"There is no file {route.path}. Correct `path`, or leave it out and run `barkeep model pull`."
    size_bytes = next((known.size_bytes for known in KNOWN_MODELS if known.file == route.file), 0)
    size = f" ({size_bytes / 1e9:.2f} GB)" if size_bytes else ""
    return (
        f"{route.file} is not in {model_dir}. Run `barkeep model pull` to fetch it{size}; it is used once it is there."
    )


def listing(model_dir: Path, settings: Settings) -> list[ModelRow]:
    """The model that ships, every known one, every other GGUF in `model_dir`, then what routes name by path."""
    routes = {name: route for name, route in settings.routes.items() if isinstance(route, LlamaRoute)}
    context = max((route.context for route in routes.values()), default=LlamaRoute(kind="llama").context)
    rows = []
    if HOUSE_FILE.is_file():
        rows.append(_row("", HOUSE_FILE, 0, HOUSE_NOTE, context, _used_by(HOUSE_FILE, routes, model_dir)))
    for known in KNOWN_MODELS:
        path = model_path(known.file, model_dir)
        rows.append(_row(known.repo, path, known.size_bytes, known.note, context, _used_by(path, routes, model_dir)))
    listed = {model_path(known.file, model_dir) for known in KNOWN_MODELS}
    own = [*sorted(model_dir.glob("*.gguf")), *(route.path for route in routes.values() if route.path)]
    for path in dict.fromkeys(path for path in own if path not in listed):
        rows.append(_row("", path, 0, "", context, _used_by(path, routes, model_dir)))
    return rows


def usable_bytes() -> int | None:
    """Memory that a model may take beside a game, in bytes; None where the machine does not tell."""
    memory = memory_bytes()
    return None if memory is None else round(memory * _USABLE_MEMORY)


def fits(size_bytes: int, context: int) -> bool | None:
    """True where a model of `size_bytes` with `context` tokens of context leaves room for a game; None when unknown."""
    usable = usable_bytes()
    return None if usable is None else size_bytes + context * CACHE_BYTES_PER_TOKEN + _WORK_BYTES <= usable


def _used_by(path: Path, routes: dict[str, LlamaRoute], model_dir: Path) -> tuple[str, ...]:
    return tuple(name for name, route in routes.items() if _named(route, model_dir) == path)


def _row(repo: str, path: Path, known_bytes: int, note: str, context: int, routes: tuple[str, ...]) -> ModelRow:
    present = path.is_file()
    size_bytes = path.stat().st_size if present else known_bytes
    return ModelRow(repo, path.name, size_bytes, path if present else None, fits(size_bytes, context), routes, note)
