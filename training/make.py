"""Makes a house model from nothing: vocabulary, corpus, training, export. Each step that is done is not done again."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.corpus import Course
from training.lexicon import VALLEY
from training.vocabulary import Bpe, learn


@dataclass(frozen=True, slots=True)
class Leg:
    """Part of a run: talks of these courses, one course after another, read in so many steps; see `train.Plan`."""

    talks: Mapping[Course, int]
    steps: int
    height: float
    cooling: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code and the machine."""

    legs: tuple[Leg, ...] = (
        Leg({"drill": 8_000, "talk": 8_000, "wide": 12_000}, steps=3_800, height=1.0, cooling=0.45),
        Leg({"wider": 8_000}, steps=1_500, height=0.5, cooling=1.0),
    )
    seed: int = 1
    corpus_seed: int = 21
    workers: int = 2

    def scaled(self, scale: float) -> Recipe:
        """The recipe with a share of all talks and steps."""
        legs = (
            replace(leg, talks={of: round(n * scale) for of, n in leg.talks.items()}, steps=round(leg.steps * scale))
            for leg in self.legs
        )
        return replace(self, legs=tuple(legs))


def make(out: Path, recipe: Recipe, setting: Path, found: Path | None = None) -> Path:
    """Make the model in `out`, and return its file; `found` are figures of `barkeep bench house`, for its metadata."""
    out.mkdir(parents=True, exist_ok=True)
    commit = commit_of(out)
    _vocabulary(out, recipe, setting)
    begin = 0
    for number, leg in enumerate(recipe.legs, 1):
        folder = out / f"corpus-{number}"
        _corpus(folder, out / "vocab.gguf", leg, recipe, setting)
        if _steps_done(out) < begin + leg.steps:
            _train(out, folder, leg, begin, recipe)
        begin += leg.steps
    about = {"recipe": json.dumps(asdict(recipe)), "setting": setting.stem, "commit": commit}
    return export(out, about | ({"evaluation": shares(found)} if found else {}))


def _train(out: Path, data: Path, leg: Leg, begin: int, recipe: Recipe) -> None:
    options = {
        "data": data, "out": out, "steps": leg.steps, "begin": begin, "height": leg.height, "cooling": leg.cooling,
        "seed": recipe.seed, "workers": recipe.workers,
    }  # fmt: skip
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    subprocess.run([sys.executable, "-m", "training.train", *arguments], check=True)


def _steps_done(out: Path) -> int:
    import torch

    path = out / "checkpoint.pt"
    return int(torch.load(path, weights_only=True)["step"]) if path.exists() else 0


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


def _corpus(folder: Path, vocabulary: Path, leg: Leg, recipe: Recipe, setting: Path) -> None:
    from training.tokens import write_shards

    if (folder / "done").exists():
        return
    for course, talks in leg.talks.items():
        write_shards(folder, vocabulary, recipe.corpus_seed, talks, setting=setting, course=course)
    (folder / "done").touch()


def commit_of(out: Path) -> str:
    """The commit that began to make what is in `out`."""
    kept = out / "commit"
    if not kept.exists():
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        kept.write_text(found.stdout.strip() or "unknown", encoding="utf-8")
    return kept.read_text(encoding="utf-8")


def shares(found: Path) -> str:
    """What `barkeep bench house --json` found, as JSON: the share that was right, by part and kind."""
    scores = json.loads(found.read_text(encoding="utf-8"))["scores"]
    return json.dumps({f"{score['part']}.{score['kind']}": round(score["share"], 4) for score in scores})


def main() -> None:
    """`python -m training.make`."""
    parser = argparse.ArgumentParser(description="Make a house model: an hour on two cores, most of it training.")
    parser.add_argument("--out", type=Path, default=Path("build/house"))
    parser.add_argument("--setting", type=Path, default=VALLEY, help="the word lists of another setting")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of all talks and steps, for a trial")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--found", type=Path, help="what `barkeep bench house --json` wrote, for the metadata")
    given = parser.parse_args()
    recipe = replace(Recipe().scaled(given.scale), workers=given.workers)
    print(f"{make(given.out, recipe, given.setting, given.found)} is ready.")


if __name__ == "__main__":
    main()
