import argparse
from pathlib import Path

import pytest
import structlog

from server import log
from server.cli import build_parser
from server.cli.defaults import find_config, user_data_dir
from server.cli.settings import load_settings, model_dir, secrets_in
from server.config import OpenAIRoute, ServerSettings, Settings
from server.config_file import read
from server.errors import ConfigError

PACKED = "data_dir: ./data\npersonas: [personas]\nmods: {folders: [mods], enabled: []}\n"


def args(*argv: str) -> argparse.Namespace:
    return build_parser().parse_args([*argv, "version"])


def package(folder: Path, *, installed: bool) -> Path:
    package = folder / "lib" / "server"
    home = package / "_defaults" if installed else package.parent
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(PACKED)
    return package


def test_a_named_file_is_used(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("world: elsewhere\n")
    settings = load_settings(args("--config", str(config), "--set", "player=me"))
    assert (settings.world, settings.player) == ("elsewhere", "me")
    assert model_dir(settings) == tmp_path / "data" / "models"


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        load_settings(args("--config", str(tmp_path / "gone.yaml")))


def test_a_checkout_uses_its_own_file_wherever_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = package(tmp_path, installed=False)
    (tmp_path / "config.yaml").write_text("some: other program's\n")
    monkeypatch.chdir(tmp_path)
    source = find_config(None, {}, package=inside)
    settings = read(source.path, source.env, [], base=source.base).settings
    assert settings.data_dir == tmp_path / "lib" / "data"


def test_a_checkout_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    assert find_config(None, {}, package=tmp_path / "server").path is None


def test_an_installed_one_keeps_data_with_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = package(tmp_path, installed=True)
    monkeypatch.chdir(tmp_path)
    source = find_config(None, {"XDG_DATA_HOME": str(tmp_path / "xdg"), "LOCALAPPDATA": str(tmp_path)}, package=inside)
    settings = read(source.path, source.env, ["routes.local.path=mine.gguf"], base=source.base).settings
    assert inside not in settings.data_dir.parents
    assert settings.personas == (inside / "_defaults" / "personas",)
    assert settings.mods.folders == (inside / "_defaults" / "mods",)
    assert getattr(settings.routes["local"], "path", None) == tmp_path / "mine.gguf"


def test_the_environment_moves_an_installed_ones_data(tmp_path: Path) -> None:
    source = find_config(None, {"BARKEEP__DATA_DIR": "/elsewhere"}, package=package(tmp_path, installed=True))
    assert read(source.path, source.env, [], base=source.base).settings.data_dir == Path("/elsewhere")


def test_an_installed_one_uses_the_file_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = package(tmp_path, installed=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("world: here\n")
    assert find_config(None, {}, package=inside).path == tmp_path / "config.yaml"


@pytest.mark.parametrize(
    ("platform", "env", "end"),
    [
        ("linux", {}, ".local/share/barkeep"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/barkeep"),
        ("linux", {"XDG_DATA_HOME": "relative"}, ".local/share/barkeep"),  # the specification: ignore it
        ("darwin", {}, "Library/Application Support/Barkeep"),
        ("win32", {"LOCALAPPDATA": "/users/me/local"}, "/users/me/local/Barkeep"),
    ],
)
def test_data_goes_where_the_system_keeps_it(platform: str, env: dict[str, str], end: str) -> None:
    assert user_data_dir(env, platform=platform).as_posix().endswith(end)


def test_secrets_are_found_wherever_they_stand() -> None:
    key = OpenAIRoute(kind="openai", base_url="http://x", model="m", api_key="sk-one")
    settings = Settings(server=ServerSettings(token="t-two"), routes={"a": key})
    assert set(secrets_in(settings)) == {"sk-one", "t-two"}


def test_secrets_never_reach_the_log_of_the_command_that_loads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "_secrets", [])
    monkeypatch.setenv("HF_TOKEN", "hf-canary-3")
    config = tmp_path / "config.yaml"
    config.write_text("server: {token: canary-1}\n")
    load_settings(args("--config", str(config), "--set", "routes.openrouter.api_key=canary-2"))
    try:
        with structlog.testing.capture_logs(processors=[log.Redactor(content=True)]) as seen:
            structlog.get_logger().info("started", said=["canary-1", "canary-2", "hf-canary-3"])
    finally:
        structlog.reset_defaults()
    assert "canary" not in str(seen)


def test_what_is_probably_not_meant_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("dialogue: {order: [local]}\n")
    load_settings(args("--config", str(config)))
    assert capsys.readouterr().err.startswith("note: dialogue.order has no authored route")
