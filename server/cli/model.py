"""`barkeep model`: fetch the model of the local route, see which models there are, and what one costs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.backends.llama.cost import Cost
    from server.backends.llama.store import ModelRow
    from server.config import LlamaRoute, Settings


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "model", help="fetch or list local models", description="Fetch models for the local engine, and list them."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    pull = commands.add_parser(
        "pull",
        help="fetch a model from the Hugging Face hub",
        description="Fetch the model that the local route names, or another from the hub. An interrupted pull goes on "
        "where it was. HF_ENDPOINT names a mirror, HF_TOKEN a token.",
        epilog="Example: barkeep model pull LFM2-350M-Q4_K_M.gguf",
    )
    pull.add_argument(
        "file", nargs="?", help="a file of `model list`, or OWNER/REPOSITORY/FILE; without it, the local route's"
    )
    pull.set_defaults(run=run_pull)
    listing = commands.add_parser(
        "list", help="show models, and which fit this machine", description="Show known models and those that are here."
    )
    listing.set_defaults(run=run_list)
    info = commands.add_parser(
        "info",
        help="show what a model costs in memory before it is loaded",
        description="Show what the local route's model, or the file named, takes of the memory with the settings of "
        "the local route, and whether this machine has that to spare beside a game.",
    )
    info.add_argument("path", nargs="?", type=Path, metavar="PATH", help="a GGUF; without it, the local route's")
    info.set_defaults(run=run_info)


def run_pull(args: argparse.Namespace) -> int:
    """Fetch the model; say how to use it where no route does."""
    from server.backends.llama.hub import pull
    from server.cli.settings import load_settings, model_dir

    settings = load_settings(args)
    repo, file = wanted(args.file, settings)
    path = pull(repo, file, model_dir(settings))
    print(f"{path} is ready.")
    routes = _local_routes(settings)
    if not any(route.path is None and (route.model, route.file) == (repo, file) for route in routes.values()):
        print(f"To use it: --set routes.{next(iter(routes), 'local')}.path={path}, or `path` in config.yaml.")
    return 0


def wanted(named: str | None, settings: Settings) -> tuple[str, str]:
    """Repository and file on the hub: as named, or as the first local route names them.

    Raises:
        ConfigError: neither names a file of the hub.
    """
    from server.backends.llama.catalogue import KNOWN_MODELS
    from server.errors import ConfigError
    from server.yamlfile import nearest

    if named is None:
        for name, route in _local_routes(settings).items():
            if route.is_house:
                continue
            if route.path is None:
                return route.model, route.file
            raise ConfigError(f"routes.{name} uses a file of its own, {route.path}", "name the file to pull")
        raise ConfigError("no route is of kind llama with a model of the hub", "name the file to pull, or add a route")
    owner, _, rest = named.partition("/")
    repository, _, file = rest.partition("/")
    if owner and repository and file:
        return f"{owner}/{repository}", file
    known = {model.file: model for model in KNOWN_MODELS}
    if named in known:
        return known[named].repo, named
    close = nearest(named, known)
    raise ConfigError(
        f"there is no model {named!r} in `model list`",
        f"did you mean {close}?" if close else "name it as OWNER/REPOSITORY/FILE",
    )


def run_list(args: argparse.Namespace) -> int:
    """Print a table of models."""
    from server.backends.llama.store import listing
    from server.cli.settings import load_settings, model_dir

    settings = load_settings(args)
    heading: tuple[str, ...] = ("here", "size", "fits", "file", "routes", "")
    rows = [heading, *map(_cells, listing(model_dir(settings), settings))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nModels lie in {model_dir(settings)}. `fits` leaves room in memory for a game.")
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Print what the configuration costs."""
    from server.backends.llama.cost import cost_of
    from server.backends.llama.gguf_file import read_model_file
    from server.backends.llama.store import missing_hint, resolve
    from server.cli.settings import load_settings, model_dir
    from server.config import LlamaRoute
    from server.errors import ModelFileError

    settings = load_settings(args)
    name, route = next(iter(_local_routes(settings).items()), ("", LlamaRoute(kind="llama")))
    path = args.path or resolve(route, model_dir(settings))
    if path is None:
        raise ModelFileError("The local route's model is not here.", missing_hint(route, model_dir(settings)))
    file = read_model_file(path)
    context = min(route.context, file.context)
    cost = cost_of(path.stat().st_size, file.dimensions, route, context)
    print(f"{path}: {file.name}, {file.architecture}, trained for {file.context:,} tokens")
    print(f"as routes.{name} has it:\n" if name else "with default settings:\n")
    _print_cost(cost, route, context)
    return 0


def _print_cost(cost: Cost, route: LlamaRoute, context: int) -> None:
    from server.backends.llama.store import usable_bytes

    a_sequence = f"{route.sequences} sequences of {cost.recurrent_per_sequence / 1e6:.2f} MB"
    rows = (
        ("weights", cost.weights, "mapped from the file"),
        ("attention", cost.kv, f"{context:,} tokens of {cost.kv_per_token / 1e3:.1f} kB, {route.kv_type}"),
        ("convolution state", cost.recurrent, a_sequence),
        ("working memory", cost.compute, f"about; batches of {route.batch}"),
        ("states of NPCs", cost.ram_cache, "at most (ram_cache_mb)"),
    )
    for title, size, note in rows:
        print(f"  {title:<18}{size / 1e6:>10,.0f} MB   {note}")
    print(f"  {'in all':<18}{cost.memory / 1e6:>10,.0f} MB\n")
    print(f"On disk, states of NPCs take {cost.disk_cache / 1e6:,.0f} MB at most (disk_cache_mb).")
    if (usable := usable_bytes()) is not None:
        verdict = "fits" if cost.memory <= usable else "does not fit"
        print(f"It {verdict}: this machine can spare {usable / 1e6:,.0f} MB beside a game.")


def _cells(row: ModelRow) -> tuple[str, ...]:
    fits = {True: "yes", False: "no", None: "?"}[row.fits]
    return (
        "yes" if row.present else "-",
        f"{row.size_bytes / 1e9:.2f} GB" if row.size_bytes >= 1e7 else f"{row.size_bytes / 1e6:.1f} MB",
        fits,
        row.file,
        " ".join(row.routes),
        row.note,
    )


def _local_routes(settings: Settings) -> dict[str, LlamaRoute]:
    """The routes of kind llama: those that are asked first, in their order, then the others."""
    from server.config import LlamaRoute

    names = dict.fromkeys((*settings.dialogue.order, *settings.routes))
    found = {name: settings.routes[name] for name in names}
    return {name: route for name, route in found.items() if isinstance(route, LlamaRoute)}
