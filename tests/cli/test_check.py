from pathlib import Path

import pytest

from server.cli import main

PERSONA = (
    "id: wren\nname: Wren\ncore: A ferryman who counts the coins twice.\nauthored: {greetings: [Mind the step.]}\n"
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "wren.yaml").write_text(PERSONA)
    (tmp_path / "config.yaml").write_text("mods: {enabled: []}\n")
    return tmp_path


def check(house: Path, *more: str) -> int:
    return main(["check", "--config", str(house / "config.yaml"), *more])


def test_nothing_wrong_is_silence_on_stdout(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(house) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing is wrong" in captured.err
    assert "by estimate" in captured.err


def test_a_wrong_key_is_told_by_file_line_and_nearest_key(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "personas" / "wren.yaml").write_text(PERSONA + "knowlege: [the tide]\n")
    assert check(house) == 1
    captured = capsys.readouterr()
    assert "wren.yaml:5" in captured.out
    assert "knowledge" in captured.out
    assert "1 problem;" in captured.err


def test_a_core_that_fills_half_the_budget_is_a_problem(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "personas" / "wren.yaml").write_text(PERSONA.replace("twice", "twice, " + "and then again, " * 180))
    check(house, "--set", "budget.prompt_tokens=1024")
    assert "budget.prompt_tokens" in capsys.readouterr().out


def test_a_route_that_does_not_exist_is_told_with_its_line(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "personas" / "wren.yaml").write_text(PERSONA + "routes:\n  - local\n  - openruter\n")
    assert check(house) == 1
    captured = capsys.readouterr()
    assert "wren.yaml:7" in captured.out
    assert "'openrouter'" in captured.out
    assert "1 problem;" in captured.err


def test_a_mod_that_cannot_be_loaded_is_a_problem(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(house, "--set", "mods.enabled=[nowhere]") == 1
    assert "nowhere" in capsys.readouterr().out


def test_a_config_that_cannot_be_used_is_code_2(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (house / "config.yaml").write_text("wrld: x\n")
    assert check(house) == 2
    assert "world" in capsys.readouterr().err


def test_a_model_that_cannot_be_read_is_told_and_counted_without(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (house / "broken.gguf").write_bytes(b"not a model")
    assert check(house, "--set", "routes.local.path=broken.gguf") == 0
    err = capsys.readouterr().err
    assert "note: " in err
    assert "broken.gguf" in err
    assert "by estimate" in err
