from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from training.make import Recipe, commit_of, shares


def test_the_commit_that_began_a_folder_stays_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = commit_of(tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("asked again"))
    assert commit_of(tmp_path) == began


def test_the_figures_are_kept_by_part_and_kind(tmp_path: Path) -> None:
    scores = [{"part": "new", "kind": "fact", "share": 0.91239, "cases": 10, "aim": 0.85}]
    (tmp_path / "found.json").write_text(json.dumps({"scores": scores}), encoding="utf-8")
    assert json.loads(shares(tmp_path / "found.json")) == {"new.fact": 0.9124}


def test_a_trial_is_the_recipe_made_smaller() -> None:
    whole, trial = Recipe(), Recipe().scaled(0.01)
    assert (trial.talks, trial.steps) == (whole.talks // 100, whole.steps // 100)
    assert trial.lessons == whole.lessons
