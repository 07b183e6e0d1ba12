from __future__ import annotations

import pytest

from server.dialogue.outbox import OutboxClosed
from server.errors import BarkeepError, StoreError
from server.gateway.failures import MAX_REASON_BYTES, Ended, Farewell, as_error, as_farewell, where
from server.protocol.codes import Code, problem


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (OutboxClosed(4009, "taken over"), 4009),
        (Ended(Farewell(4029, "flood")), 4029),
        (problem(Code.BAD_PROTOCOL, "no"), 4001),
        (problem(Code.BAD_TOKEN, "no"), 4003),
        (problem(Code.BAD_FRAME, "no"), 4000),
        (StoreError("no"), 1013),
        (ConnectionResetError(), 1000),
        (KeyError("x"), 1011),
        (ExceptionGroup("both", [KeyError("x"), OutboxClosed(4008, "slow")]), 1011),
    ],
)
def test_each_exception_has_its_close_code(exc: Exception, code: int) -> None:
    assert as_farewell(exc).code == code


def test_a_reason_fits_a_close_frame_and_is_cut_between_characters() -> None:
    cut = Farewell(1000, "ä" * 100).reason_bytes
    assert len(cut) <= MAX_REASON_BYTES
    assert cut.decode() == "ä" * 61


def test_an_error_that_no_client_knows_goes_out_as_internal() -> None:
    error = as_error(BarkeepError("it broke"))
    assert (error.code, bool(error.hint)) == ("internal", True)


def test_where_says_type_and_line_but_not_the_text() -> None:
    try:
        raise ValueError("what hilda said")
    except ValueError as exc:
        place = where(exc)
    assert place.startswith("ValueError at test_failures.py:")
    assert "hilda" not in place
