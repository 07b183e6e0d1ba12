from __future__ import annotations

import struct
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.backends.llama.gguf_file import read_model_file
from server.errors import ModelFileError
from tests.support.tiny_gguf import (
    EOS,
    IM_START,
    TinyModel,
    write,
    write_tiny_lfm2,
    write_truncated,
    write_unknown_template,
)


def test_a_good_file_says_what_it_is(tmp_path: Path) -> None:
    file = read_model_file(write_tiny_lfm2(tmp_path / "tiny.gguf", context=2048))
    assert (file.name, file.architecture, file.context) == ("Tiny LFM2", "lfm2", 2048)
    assert (file.im_start, file.im_end) == (IM_START, EOS)


def test_the_fingerprint_names_the_vocabulary_and_not_the_weights(tmp_path: Path) -> None:
    one = read_model_file(write_tiny_lfm2(tmp_path / "one.gguf", seed=1))
    two = read_model_file(write_tiny_lfm2(tmp_path / "two.gguf", seed=2, context=512))
    assert one.fingerprint == two.fingerprint
    data = (tmp_path / "one.gguf").read_bytes()
    (tmp_path / "other.gguf").write_bytes(data.replace("Ġyou".encode(), "Ġyow".encode()))
    assert read_model_file(tmp_path / "other.gguf").fingerprint != one.fingerprint


def test_a_truncated_file_is_told_by_its_missing_bytes(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cut short: 1,234 bytes") as caught:
        read_model_file(write_truncated(tmp_path / "cut.gguf", 1_234))
    assert "barkeep model pull" in caught.value.hint


@pytest.mark.parametrize("template", [None, "{{ '[INST]' }}", "<|im_start|>user<|im_sep|>hello<|im_end|>"])
def test_a_template_that_is_not_chatml_is_refused(tmp_path: Path, template: str | None) -> None:
    with pytest.raises(ModelFileError, match="chat template") as caught:
        read_model_file(write_unknown_template(tmp_path / "other.gguf", template))
    assert "ChatML" in caught.value.hint


def test_turn_tokens_that_plain_text_could_make_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "soft.gguf", TinyModel(im_start_type=gguf.TokenType.USER_DEFINED))
    with pytest.raises(ModelFileError, match="control tokens"):
        read_model_file(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"GIF89a and so on", "not a GGUF"),
        (b"GGUF", "ends early"),
        (b"GGUF" + struct.pack("<I", 9), "version 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "no chat template"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**40), "a text of"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**40), "a list of"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"\xff" + struct.pack("<IB", 0, 1), "not UTF-8"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77), "type 77"),
    ],
)
def test_a_damaged_header_is_an_error_with_a_hint(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=message) as caught:
        read_model_file(path)
    assert caught.value.hint


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(ModelFileError, match="cannot be read"):
            read_model_file(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 12_000), junk=st.binary(min_size=1, max_size=12), cut=st.none() | st.integers(0, 12_000))
def test_no_damage_gives_anything_but_a_model_file_error(
    tiny: Path, tmp_path: Path, at: int, junk: bytes, cut: int | None
) -> None:
    data = bytearray(tiny.read_bytes()[:cut])
    data[at : at + len(junk)] = junk
    path = tmp_path / "fuzzed.gguf"
    path.write_bytes(data)
    try:
        file = read_model_file(path)
    except ModelFileError:
        return
    assert file.im_start != file.im_end
