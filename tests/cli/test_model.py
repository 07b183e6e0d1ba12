from pathlib import Path

import pytest

from server.backends.llama import hub
from server.cli import main
from server.cli.model import wanted
from server.config import DialogueSettings, LlamaRoute, Settings
from server.errors import ConfigError, ModelFileError
from tests.support.tiny_gguf import write_tiny_lfm2

DEFAULT = ("LiquidAI/LFM2-2.6B-GGUF", "LFM2-2.6B-Q4_K_M.gguf")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("mods: {enabled: []}\n")
    return tmp_path / "config.yaml"


def test_without_a_name_the_local_route_says_what_to_pull() -> None:
    assert wanted(None, Settings()) == DEFAULT


def test_a_known_file_needs_no_repository() -> None:
    assert wanted("LFM2-350M-Q4_K_M.gguf", Settings()) == ("LiquidAI/LFM2-350M-GGUF", "LFM2-350M-Q4_K_M.gguf")


def test_any_file_of_the_hub_can_be_named() -> None:
    assert wanted("me/mine/q8/a.gguf", Settings()) == ("me/mine", "q8/a.gguf")


@pytest.mark.parametrize("name", ["LFM2-2.6B-Q4_K_M.guf", "lfm2-350m-q4_k_m.gguf"])
def test_a_misspelt_file_is_met_with_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        wanted(name, Settings())
    assert "did you mean LFM2" in caught.value.hint


@pytest.mark.parametrize("name", ["", "owner/repository", "/x/y", "what is this"])
def test_what_names_no_file_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        wanted(name, Settings())


def test_a_route_with_a_file_of_its_own_has_nothing_to_pull(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "pull", "--config", str(config), "--set", "routes.local.path=mine.gguf"]) == 2
    assert "mine.gguf" in capsys.readouterr().err


def test_without_a_local_route_a_name_is_needed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("routes: {authored: {kind: authored}}\ndialogue: {order: [authored]}\n")
    assert main(["model", "pull", "--config", str(config)]) == 2
    assert "llama" in capsys.readouterr().err


def test_the_model_that_ships_is_never_pulled() -> None:
    house = LlamaRoute(kind="llama", model="house")
    with pytest.raises(ConfigError, match="no route"):
        wanted(None, Settings(routes={"house": house}, dialogue=DialogueSettings(order=("house",))))


def test_pull_puts_the_model_where_the_server_looks(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str, Path]] = []

    def pull(repo: str, file: str, folder: Path) -> Path:
        asked.append((repo, file, folder))
        return folder / file

    monkeypatch.setattr(hub, "pull", pull)
    folder = config.parent / "data" / "models"
    assert main(["model", "pull", "--config", str(config)]) == 0
    assert asked == [(*DEFAULT, folder)]
    assert capsys.readouterr().out == f"{folder / DEFAULT[1]} is ready.\n"
    assert main(["model", "pull", "LFM2-350M-Q4_K_M.gguf", "--config", str(config)]) == 0
    assert f"--set routes.local.path={folder / 'LFM2-350M-Q4_K_M.gguf'}" in capsys.readouterr().out


def test_a_pull_that_fails_is_told_in_words(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pull(repo: str, file: str, folder: Path) -> Path:
        raise ModelFileError("the hub is away", "try again")

    monkeypatch.setattr(hub, "pull", pull)
    assert main(["model", "pull", "--config", str(config)]) == 1
    assert capsys.readouterr().err == "error: the hub is away\nhint: try again\n"


def test_list_shows_what_is_here_and_who_uses_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = config.parent / "data" / "models"
    models.mkdir(parents=True)
    (models / "mine.gguf").write_bytes(b"GGUF" * 1000)
    assert main(["model", "list", "--config", str(config)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    by_file = {row[4]: row for row in rows if len(row) > 4}
    assert by_file["mine.gguf"][:4] == ["yes", "0.0", "MB", "yes"]
    assert by_file[DEFAULT[1]][:3] == ["-", "1.56", "GB"]
    assert by_file[DEFAULT[1]][5] == "local"
    assert (by_file["house.gguf"][0], by_file["house.gguf"][5]) == ("yes", "house")


def test_info_says_what_a_file_costs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tiny_lfm2(config.parent / "mine.gguf")
    assert main(["model", "info", str(path), "--config", str(config), "--set", "routes.local.context=1024"]) == 0
    told = capsys.readouterr().out
    assert "1,024 tokens of 0.3 kB" in told
    assert "as routes.local has it" in told
    assert "It fits" in told


def test_info_without_a_model_says_how_to_get_one(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", "--config", str(config)]) == 1
    assert "barkeep model pull" in capsys.readouterr().err


def test_info_of_a_damaged_file_is_told(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "bad.gguf").write_bytes(b"GGUF but not really")
    assert main(["model", "info", str(config.parent / "bad.gguf"), "--config", str(config)]) == 1
    assert "bad.gguf" in capsys.readouterr().err
