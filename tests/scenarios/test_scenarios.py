"""Every scenario file in this folder is played."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.scenarios.scenario import Scenario, Step, play, read

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_scenario(path: Path, tmp_path: Path) -> None:
    await play(read(path), tmp_path)


async def test_a_check_that_fails_names_its_step(tmp_path: Path) -> None:
    steps = (
        Step.model_validate({"scene": {"present": ["hilda"]}}),
        Step.model_validate({"say": {"to": "hilda", "text": "Hello."}}),
        Step.model_validate({"state": {"npc": "hilda", "trust": "> 0.5"}}),
    )
    scenario = Scenario(title="Hello", about="", npcs={"hilda": "Hilda"}, steps=steps)
    with pytest.raises(AssertionError, match=r"Hello, step 3: hilda's trust is 0\.0, not > 0\.5"):
        await play(scenario, tmp_path)


def test_a_step_is_one_thing() -> None:
    with pytest.raises(ValidationError, match="a step is one thing"):
        Step.model_validate({"save": "one", "load": "one"})
