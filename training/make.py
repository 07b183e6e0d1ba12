"""Makes a house model from nothing: vocabulary, corpus, training, export. Each step that is done is not done again."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.corpus import Course
from training.lexicon import VALLEY
from training.vocabulary import Bpe, learn


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the code and the machine.

    `lessons` are read in this order: a course, and which part of its talks, `talks` in each.
    """

    lessons: tuple[tuple[Course, int], ...] = (
        ("drill", 0), ("drill", 1), ("wide", 0), ("talk", 0), ("wide", 1), ("talk", 1), ("wider", 0), ("talk", 2),
        ("wide", 2), ("wider", 1), ("talk", 3), ("wide", 3), ("wider", 2),
    )  # fmt: skip
    talks: int = 3_300
    steps: int = 4_200
    seed: int = 1
    corpus_seed: int = 21
    workers: int = 2

    def scaled(self, scale: float) -> Recipe:
        """The recipe with a share of all talks and steps."""
        return replace(self, talks=round(self.talks * scale), steps=round(self.steps * scale))


def make(out: Path, recipe: Recipe, setting: Path, found: Path | None = None) -> Path:
    """Make the model in `out`, and return its file; `found` are figures of `barkeep bench house`, for its metadata."""
    out.mkdir(parents=True, exist_ok=True)
    commit = commit_of(out)
    _vocabulary(out, recipe, setting)
    _corpus(out / "corpus", out / "vocab.gguf", recipe, setting)
    if _steps_done(out) < recipe.steps:
        _train(out, recipe)
    about = {"recipe": json.dumps(asdict(recipe)), "setting": setting.stem, "commit": commit}
    return export(out, about | ({"evaluation": shares(found)} if found else {}))


def _train(out: Path, recipe: Recipe) -> None:
    options = {
        "data": out / "corpus", "out": out, "vocabulary": out / "bpe.json", "steps": recipe.steps,
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


def _corpus(folder: Path, vocabulary: Path, recipe: Recipe, setting: Path) -> None:
    from training.tokens import Job, write_shards

    if (folder / "done").exists():
        return
    jobs = {
        f"{at:02}-{course}": Job(
            vocabulary, recipe.corpus_seed, part * recipe.talks, (part + 1) * recipe.talks, setting, course
        )
        for at, (course, part) in enumerate(recipe.lessons)
    }
    write_shards(folder, jobs)
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
    parser = argparse.ArgumentParser(description="Make a house model: 90 minutes on two cores, most of it training.")
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
