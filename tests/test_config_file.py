from pathlib import Path

import pytest

from server import config_file
from server.config import LlamaRoute, OpenAIRoute, Settings
from server.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def refused(path: Path | None, env: dict[str, str] | None = None, sets: tuple[str, ...] = ()) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        config_file.load(path, env or {}, sets)
    return error.value


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = config_file.read(None, {}, [], base=tmp_path).settings
    assert settings.server.port == 8642
    assert settings.data_dir == tmp_path / "data"
    assert list(settings.routes) == list(settings.dialogue.order)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(file: Path) -> None:
    file.write_text("server: {port: 1}\nworld: a\nplayer: a\n")
    env = {"BARKEEP__SERVER__PORT": "2", "BARKEEP__WORLD": "b"}
    settings = config_file.load(file, env, ["server.port=3"])
    assert (settings.server.port, settings.world, settings.player) == (3, "b", "a")


def test_names_in_the_environment_have_no_case_and_reach_routes(file: Path) -> None:
    file.write_text("")
    settings = config_file.load(file, {"barkeep__Routes__LOCAL__path": "m.gguf"}, [])
    route = settings.routes["local"]
    assert isinstance(route, LlamaRoute)
    assert route.path == file.parent / "m.gguf"


def test_the_environment_can_add_a_route(file: Path) -> None:
    file.write_text("routes: {authored: {kind: authored}}\ndialogue: {order: [mine, authored]}\n")
    values = {"KIND": "openai", "BASE_URL": "http://127.0.0.1:1/v1", "MODEL": "007"}
    env = {f"BARKEEP__ROUTES__MINE__{key}": value for key, value in values.items()}
    route = config_file.load(file, env, []).routes["mine"]
    assert isinstance(route, OpenAIRoute)
    assert route.model == "007"


def test_other_variables_of_the_environment_are_left_alone(file: Path) -> None:
    file.write_text("")
    assert config_file.load(file, {"BARKEEP_TOKEN": "x", "SERVER__PORT": "1"}, []).server.port == 8642


@pytest.mark.parametrize(
    "value", ["0123", "null0", "a: b", "[x]", "*alias", "# no comment", "x # y", "true", "${HOME}"]
)
def test_a_text_is_taken_as_it_stands(file: Path, value: str) -> None:
    file.write_text("")
    settings = config_file.load(file, {}, [f"server.token={value}"])
    assert settings.server.token is not None
    assert settings.server.token.get_secret_value() == value


@pytest.mark.parametrize("value", ["", "null"])
def test_null_or_nothing_takes_a_text_away(file: Path, value: str) -> None:
    file.write_text("server: {token: secret}\n")
    assert config_file.load(file, {"BARKEEP__SERVER__TOKEN": value}, []).server.token is None


def test_lists_and_numbers_are_read_as_yaml(file: Path) -> None:
    file.write_text("")
    sets = ["dialogue.order=[authored]", "server.limits.send_s=2.5", "log.content=true", "mods.enabled=[]"]
    settings = config_file.load(file, {}, sets)
    assert settings.dialogue.order == ("authored",)
    assert settings.server.limits.send_s == 2.5
    assert settings.log.content is True
    assert settings.mods.enabled == ()


def test_references_take_their_values_from_the_environment(file: Path) -> None:
    file.write_text('server: {token: "${TOKEN}"}\nworld: "${USER_NAME}-${USER_NAME}"\nplayer: "a$b"\n')
    settings = config_file.load(file, {"TOKEN": "${USER_NAME}", "USER_NAME": "x"}, [])
    assert settings.server.token is not None
    assert settings.server.token.get_secret_value() == "${USER_NAME}"
    assert (settings.world, settings.player) == ("x-x", "a$b")


def test_a_missing_reference_is_a_state_not_an_error(file: Path) -> None:
    file.write_text('server: {token: "${ABSENT}"}\n')
    settings = config_file.load(file, {}, [])
    assert settings.server.token is None
    route = settings.routes["openrouter"]
    assert isinstance(route, OpenAIRoute)
    assert route.api_key is None


def test_the_hosted_key_comes_from_its_variable(file: Path) -> None:
    file.write_text("")
    route = config_file.load(file, {"OPENROUTER_API_KEY": "sk-1"}, []).routes["openrouter"]
    assert isinstance(route, OpenAIRoute)
    assert route.api_key is not None
    assert route.api_key.get_secret_value() == "sk-1"


def test_relative_paths_start_from_the_files_folder(file: Path, tmp_path: Path) -> None:
    file.write_text("data_dir: d\npersonas: [p, /abs]\nmods: {folders: [m]}\n")
    settings = config_file.load(file, {"BARKEEP__DATA_DIR": "e"}, ["routes.local.path=x.gguf"])
    assert settings.data_dir == tmp_path / "e"
    assert settings.personas == (tmp_path / "p", Path("/abs"))
    assert settings.mods.folders == (tmp_path / "m",)
    assert settings.routes["local"].path == tmp_path / "x.gguf"  # type: ignore[union-attr]  # local is a llama route


def test_the_home_folder_may_be_written_as_a_tilde(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    file.write_text("data_dir: ~/d\n")
    assert config_file.load(file, {}, []).data_dir == tmp_path / "home" / "d"


def test_a_section_with_every_key_commented_out_is_no_mistake(file: Path) -> None:
    file.write_text("server:\n  # port: 1\n")
    assert config_file.load(file, {}, []).server.port == 8642


def test_an_unknown_key_of_the_file_is_named_with_its_line(file: Path) -> None:
    file.write_text("world: a\nserver:\n  prot: 1\n")
    error = refused(file)
    assert error.message == f"{file}:3: server.prot: unknown key"
    assert error.hint == "did you mean 'port'?"


@pytest.mark.parametrize(
    ("env", "sets", "message", "hint"),
    [
        ({"BARKEEP__SERVR__PORT": "1"}, (), "BARKEEP__SERVR__PORT: servr: unknown key", "did you mean 'server'?"),
        ({}, ("routes.local.contxt=1",), "--set: routes.local.contxt: unknown key", "did you mean 'context'?"),
        ({}, ("server.port",), "--set server.port: has no value", "--set server.port=8642"),
        ({}, ("=1",), "--set : has no value", ""),
        ({}, ("world.name=x",), "--set: world takes one value", ""),
        ({"BARKEEP__SERVER__PORT": "x"}, (), "BARKEEP__SERVER__PORT: server.port: must be a whole number", ""),
        ({"BARKEEP__ROUTES__X__PATH": "x"}, (), "BARKEEP__ROUTES__X__PATH: routes.x: needs the key kind", ""),
    ],
)
def test_a_mistake_outside_the_file_names_its_source(
    file: Path, env: dict[str, str], sets: tuple[str, ...], message: str, hint: str
) -> None:
    file.write_text("world: a\n")
    error = refused(file, env, sets)
    assert message in error.message
    assert hint in error.hint


def test_every_mistake_is_listed(file: Path) -> None:
    file.write_text("server: {prot: 1}\nlog: {level: loud}\n")
    message = refused(file).message
    assert message.startswith("2 problems")
    assert f"{file}:1: server.prot: unknown key (did you mean 'port'?)" in message
    assert f"{file}:2: log.level" in message


def test_the_order_names_existing_routes_alone(file: Path) -> None:
    file.write_text("dialogue:\n  order: [authored, locl]\n")
    error = refused(file)
    assert f"{file}:2: dialogue.order[1]: 'locl' is not one of the routes" in error.message
    assert error.hint == "did you mean 'local'?"
    assert "twice" in refused(None, {}, ("dialogue.order=[authored, authored]",)).message
    assert "names no route" in refused(None, {}, ("dialogue.order=[]",)).message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "myhost", ""])
def test_an_address_open_to_others_needs_a_token(host: str) -> None:
    assert "no token" in refused(None, {}, (f"server.host={host}",)).message
    assert config_file.load(None, {}, [f"server.host={host}", "server.token=t"]).server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_no_token(host: str) -> None:
    assert config_file.load(None, {}, [f"server.host={host}"]).server.host == host


@pytest.mark.parametrize(
    "text", ["server: {token: [canary-1]}", "server: {token: {a: canary-1}}", "server: {port: canary-1}"]
)
def test_errors_never_repeat_a_secret(file: Path, text: str) -> None:
    file.write_text(text)
    error = refused(file)
    assert "canary-1" not in f"{error.message}{error.hint}{error.__cause__}{error!r}"


def test_settings_never_show_a_secret(file: Path) -> None:
    file.write_text("server: {token: canary-2}")
    assert "canary-2" not in repr(config_file.load(file, {"OPENROUTER_API_KEY": "canary-2"}, []))


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "a: [\n", "a: 1\na: 2\n"])
def test_a_file_that_is_no_mapping_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    assert str(file) in refused(file).message


def test_a_missing_file_is_refused(file: Path) -> None:
    assert "cannot be read" in refused(file).message


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (("routes.local.context=1024",), "routes.local.context"),
        (("dialogue.first_text_ms=30000",), "first_text_ms"),
        (("dialogue.order=[local]",), "no authored route"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(sets: tuple[str, ...], words: str) -> None:
    assert words in " ".join(config_file.read(None, {}, sets).warnings)


def test_the_defaults_warn_of_nothing() -> None:
    assert config_file.read(None, {}, []).warnings == ()


def test_settings_are_valid_without_any_source() -> None:
    assert set(Settings().dialogue.order) <= Settings().routes.keys()
