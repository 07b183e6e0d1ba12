"""Whatever is written into a file, a variable or a patch: what comes out is right, or an error of ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server import config_file, yamlfile
from server.config import Settings
from server.errors import BarkeepError, ConfigError, PersonaError, YamlError
from server.personas import loader
from server.personas.patch import generic, merged, patched
from server.personas.persona import Persona

# YAML 1.1 reads these three as ends of lines even within quotes, so its own dumper does not bring them back.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"), max_size=40)
NUMBERS = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)
FIELDS = st.sampled_from([*Persona.model_fields, "greetings", "topics", "lines", "nothing"])
PATCHES = st.dictionaries(FIELDS, SCALARS | DATA | st.dictionaries(FIELDS, DATA, max_size=3), max_size=4)
T = TypeVar("T")
E = TypeVar("E", bound=BarkeepError)
# One folder for all examples: each overwrites the file of the one before.
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class _PlainDumper(yaml.SafeDumper):
    """Writes a value again where it comes up again, and text in quotes, since YAML 1.1 thinks `0E0` is text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_PlainDumper.add_representer(str, _quoted)


def attempt(kind: type[E], call: Callable[[], T]) -> tuple[T | None, E | None]:
    """What `call` returns, or its error if it is of `kind`; any other error is a failure of the test."""
    try:
        return call(), None
    except kind as error:
        return None, error


def paths(data: Any, at: yamlfile.KeyPath = ()) -> set[yamlfile.KeyPath]:
    children: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        children = list(data.items())
    elif isinstance(data, list):
        children = list(enumerate(data))
    return {at}.union(*(paths(value, (*at, key)) for key, value in children))


@one_folder
@given(DATA)
def test_what_is_dumped_is_read_back_and_every_value_has_a_line(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(yaml.dump(data, Dumper=_PlainDumper, allow_unicode=True), encoding="utf-8", newline="\n")
    document = yamlfile.load(path)
    assert document.data == data
    assert document.lines.keys() == paths(data)


@one_folder
@given(st.binary(max_size=200) | st.text("{}[]&*!|>'\"%@`:-?, #\n\tab1", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(raw)
    document, error = attempt(YamlError, lambda: yamlfile.load(path))
    if error:
        assert str(path) in error.message
    if document:
        assert all(1 <= line <= raw.count(b"\n") + raw.count(b"\r") + 1 for line in document.lines.values())
    file = loader.read(path)
    assert (file.persona is None) == bool(file.problems)


@given(TEXT.filter(lambda text: text.strip() not in ("", "null", "~")))
def test_a_token_is_taken_as_it_stands(token: str) -> None:
    loaded = config_file.load(None, {"BARKEEP__SERVER__TOKEN": token}, [])
    assert loaded.server.token is not None
    assert loaded.server.token.get_secret_value() == token


KEY = st.lists(st.sampled_from([*Settings.model_fields, "local", "port", "kind", "limits", "", "x"]), max_size=4)


@given(KEY, TEXT, st.booleans())
def test_any_setting_is_taken_or_refused(key: list[str], value: str, by_environment: bool) -> None:
    env = {"__".join(["BARKEEP", *key]): value} if by_environment else {}
    sets = [] if by_environment else [f"{'.'.join(key)}={value}"]
    loaded, error = attempt(ConfigError, lambda: config_file.read(None, env, sets))
    if error:
        assert error.message
        assert error.hint
    if loaded:
        assert loaded.settings.data_dir.is_absolute()


@one_folder
@given(DATA)
def test_any_config_file_is_taken_or_refused(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.dump(data, Dumper=_PlainDumper, allow_unicode=True), encoding="utf-8", newline="\n")
    _, error = attempt(ConfigError, lambda: config_file.load(path, {}, []))
    assert error is None or str(path) in error.message


@given(PATCHES)
def test_any_patch_makes_a_persona_or_is_refused(patch: dict[str, Any]) -> None:
    made, error = attempt(PersonaError, lambda: patched(None, "tam", patch))
    if error:
        assert error.message.startswith("tam: ")
    if made:
        assert made.id == "tam"
        assert patched(made, "tam", patch) == made


@given(DATA, DATA)
def test_a_merge_patch_changes_neither_of_its_arguments_and_leaves_no_null_of_its_own(target: Any, patch: Any) -> None:
    before = repr(target), repr(patch)
    result = merged(target, patch)
    assert (repr(target), repr(patch)) == before
    if isinstance(patch, dict):
        assert not any(patch.get(key) is None for key in result if key in patch)


@pytest.mark.parametrize("persona_id", ["tam", "old_tom", "-", "9"])
def test_an_empty_patch_is_no_patch(persona_id: str) -> None:
    assert patched(None, persona_id, {}) == generic(persona_id)
