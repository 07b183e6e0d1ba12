from __future__ import annotations

import pytest

from server.protocol.codes import CLOSE_CODES, ERROR_CODES, Close, Code, problem


def test_every_code_is_in_its_table() -> None:
    assert list(ERROR_CODES) == list(Code)
    assert list(CLOSE_CODES) == list(Close)


@pytest.mark.parametrize("code", Code)
def test_every_code_says_what_to_do(code: Code) -> None:
    info = ERROR_CODES[code]
    assert info.meaning.endswith(".")
    assert info.hint.endswith(".")


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ERROR_CODES["x"] = ERROR_CODES["internal"]  # type: ignore[index]  # that it cannot be done is the test


def test_a_problem_brings_its_codes_hint_unless_a_better_one_is_given() -> None:
    plain, better = problem("too_fast", "slow down", re="7"), problem("too_fast", "slow down", "wait 3 s")
    assert (plain.hint, plain.retryable, plain.re) == (ERROR_CODES["too_fast"].hint, True, "7")
    assert (better.hint, better.re) == ("wait 3 s", None)
    assert type(plain.code) is str


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        problem("no_such_code", "")
