from pathlib import Path

import pytest

from server import yamlfile
from server.errors import YamlError
from server.yamlfile import Document


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(folder: Path, text: str | bytes) -> Document:
    return yamlfile.load(written(folder, text))


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    document = load(
        tmp_path, "name: Hilda\nauthored:\n  topics:\n    - keywords: [bed]\n      lines:\n        - Two left.\n"
    )
    assert document.data == {"name": "Hilda", "authored": {"topics": [{"keywords": ["bed"], "lines": ["Two left."]}]}}
    assert document.lines["name",] == 1
    assert document.lines["authored", "topics", 0, "lines"] == 5
    assert document.lines["authored", "topics", 0, "lines", 0] == 6


def test_a_missing_key_is_reported_at_what_surrounds_it(tmp_path: Path) -> None:
    document = load(tmp_path, "a: 1\nroutes:\n  local:\n    kind: llama\n")
    assert document.line(("routes", "local", "path")) == 3
    assert document.line(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("007", 7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-05-01", "2024-05-01"),
        ("0x10", "0x10"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("C:\\models\\a.gguf", "C:\\models\\a.gguf"),
        ("[a, 2]", ["a", 2]),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert yamlfile.parse(text, "test") == value


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: &x [1]\n", 2, "anchor"),
        ("a: *x\n", 1, "alias"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "tag"),
        ("a: ! x\n", 1, "tag"),
        ("a: 1\nb: 2\na: 3\n", 3, "twice; the first is in line 1"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\nb: [1, 2\n", 3, "not valid YAML"),
        ("a: 1\nb: c: d\n", 2, "not valid YAML"),
        ("? [a]\n: 1\n", 1, "as a key"),
        ("a: 1\nb: \x07\n", 2, "does not allow"),
        ("a: 1e999\n", 1, "too large"),
    ],
)
def test_what_no_file_needs_is_refused_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(YamlError, match=words) as refused:
        load(tmp_path, text)
    assert refused.value.line == line
    assert str(tmp_path / "some.yaml") in refused.value.message


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="nested more than"):
        load(tmp_path, "[" * 10_000)


def test_nesting_up_to_the_limit_is_read(tmp_path: Path) -> None:
    depth = yamlfile.MAX_DEPTH
    assert load(tmp_path, "[" * depth + "]" * depth).data is not None


def test_too_many_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="more than 20,000 values"):
        load(tmp_path, "[" + "1," * 20_001 + "]")


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "a: " + "x" * 100)
    assert yamlfile.load(path, max_bytes=103).data
    with pytest.raises(YamlError, match="larger than 102 bytes"):
        yamlfile.load(path, max_bytes=102)


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="UTF-8") as refused:
        load(tmp_path, b"a: 1\nb: \xff\n")
    assert refused.value.line == 2


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="cannot be read"):
        yamlfile.load(tmp_path / "absent.yaml")


def test_an_empty_file_has_no_data(tmp_path: Path) -> None:
    assert load(tmp_path, "# nothing\n").data is None


@pytest.mark.parametrize(
    ("word", "meant"), [("prot", "port"), ("PORT", "port"), ("hots", "host"), ("relations", None), ("", None)]
)
def test_nearest_finds_what_was_meant(word: str, meant: str | None) -> None:
    assert yamlfile.nearest(word, ["host", "port", "token"]) == meant
