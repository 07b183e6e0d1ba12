"""`barkeep check`: what is wrong with config.yaml, personas and mods, before an NPC speaks."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config import Settings
    from server.prompt.tokens import Tokenizer


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="look for mistakes in config.yaml, personas and mods",
        description="Read config.yaml, every persona and every enabled mod, and print what is wrong with them: file, "
        "line, field, and the nearest thing that would be right. A mod's code is run to load it.",
        epilog="Exit code: 0 nothing is wrong, 1 something is, 2 config.yaml cannot be used at all.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every problem, one a line."""
    from server.cli.settings import load_settings
    from server.personas.check import check
    from server.plugins.mods import Mods
    from server.prompt.build import core_tokens

    settings = load_settings(args)
    tokenizer = vocabulary(settings)
    mods = Mods.load(settings.mods.folders, settings.mods.enabled)
    mods.collect()
    folders = (*settings.personas, *mods.persona_folders)
    found = [f"{error.message} ({error.hint})" if error.hint else error.message for error in mods.problems]
    problems = check(
        folders,
        lambda persona: core_tokens(persona, tokenizer),
        settings.budget.prompt_tokens,
        routes=settings.routes,
    )
    found += map(str, problems)
    for problem in found:
        print(problem)
    how = "exactly" if tokenizer.exact else "by estimate, as there is no local model"
    print(f"{_count(found)}; mods: {', '.join(mods.names) or 'none'}; tokens counted {how}", file=sys.stderr)
    return 1 if found else 0


def vocabulary(settings: Settings) -> Tokenizer:
    """The vocabulary of the first local model that is there and whole, else an estimate."""
    from server.backends.llama.store import resolve
    from server.backends.llama.vocab import Vocabulary
    from server.cli.settings import model_dir
    from server.config import LlamaRoute
    from server.errors import BarkeepError
    from server.prompt.tokens import EstimatedTokenizer

    for name in settings.dialogue.order:
        route = settings.routes[name]
        if not isinstance(route, LlamaRoute) or route.is_house:  # budgets are those of full models
            continue
        if path := resolve(route, model_dir(settings)):
            try:
                return Vocabulary.load(path)
            except BarkeepError as error:
                print(f"note: {error.message}", file=sys.stderr)
    return EstimatedTokenizer()


def _count(found: list[str]) -> str:
    return {0: "nothing is wrong", 1: "1 problem"}.get(len(found), f"{len(found)} problems")
