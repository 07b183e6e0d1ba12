from pathlib import Path

import pytest

from server.backends.llama.machine import has_amx, memory_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f amx_bf16 amx_tile amx_int8 arat\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_vnni\n", False),
        ("model name\t: amx_int8\nflags\t\t: fpu\n", False),
        ("", False),
    ],
)
def test_the_tile_unit_is_read_from_the_flags(text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert has_amx(tmp_path / "cpuinfo") is expected


def test_a_system_without_that_file_has_none(tmp_path: Path) -> None:
    assert not has_amx(tmp_path / "nothing")


def test_memory_is_told_in_bytes() -> None:
    memory = memory_bytes()
    assert memory is None or memory > 100_000_000
