"""Makes a house model from nothing: vocabulary, corpus, training, export. Each step that is done is not done again."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from training.corpus import Course
from training.lexicon import VALLEY
from training.vocabulary import Bpe, learn


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code and the machine."""

    seed: int = 1
    corpus_seed: int = 21
    drills: int = 8_000
    talks: int = 8_000
    wide: int = 12_000
    steps: int = 3_800
    workers: int = 2


def make(out: Path, recipe: Recipe, setting: Path) -> Path:
    """Make the model in `out`, and return its file."""
    out.mkdir(parents=True, exist_ok=True)
    _vocabulary(out, recipe, setting)
    _corpus(out, recipe, setting)
    data = ("--data", str(out / "corpus"), "--out", str(out), "--steps", str(recipe.steps), "--seed", str(recipe.seed))
    subprocess.run([sys.executable, "-m", "training.train", *data, "--workers", str(recipe.workers)], check=True)
    return export(out, {"recipe": json.dumps(asdict(recipe)), "setting": setting.stem, "commit": _commit()})


def export(out: Path, about: dict[str, str], *, kind: str = "Q8_0") -> Path:
    """The GGUF of the checkpoint in `out`."""
    import torch

    from training.export import write
    from training.model import dimensions_of

    state = torch.load(out / "checkpoint.pt", weights_only=True)
    weights = {name: values.float().numpy() for name, values in state["model"].items()}
    path = out / "house.gguf"
    write(
        path,
        dimensions_of(state),
        Bpe.load(out / "bpe.json"),
        weights,
        about | {"steps": str(state["step"])},
        kind=kind,
    )
    return path


def _vocabulary(out: Path, recipe: Recipe, setting: Path) -> None:
    from training.export import write_vocabulary
    from training.model import Dimensions

    if (out / "vocab.gguf").exists():
        return
    bpe = learn(recipe.seed, setting=setting)
    bpe.save(out / "bpe.json")
    write_vocabulary(out / "vocab.gguf", Dimensions(len(bpe.tokens)), bpe)


def _corpus(out: Path, recipe: Recipe, setting: Path) -> None:
    from training.tokens import write_shards

    if (out / "corpus.done").exists():
        return
    courses: tuple[tuple[Course, int], ...] = (("drill", recipe.drills), ("talk", recipe.talks), ("wide", recipe.wide))
    for course, documents in courses:
        write_shards(out / "corpus", out / "vocab.gguf", recipe.corpus_seed, documents, setting=setting, course=course)
    (out / "corpus.done").touch()


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def main() -> None:
    """`python -m training.make`."""
    usual = Recipe()
    parser = argparse.ArgumentParser(description="Make a house model: some hours on two cores, most of it training.")
    parser.add_argument("--out", type=Path, default=Path("build/house"))
    parser.add_argument("--setting", type=Path, default=VALLEY, help="the word lists of another setting")
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--talks", type=int, default=usual.talks)
    parser.add_argument("--drills", type=int, default=usual.drills)
    parser.add_argument("--wide", type=int, default=usual.wide)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    recipe = Recipe(steps=given.steps, talks=given.talks, drills=given.drills, wide=given.wide, workers=given.workers)
    print(f"{make(given.out, recipe, given.setting)} is ready.")


if __name__ == "__main__":
    main()
