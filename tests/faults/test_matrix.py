"""Whatever a hosted server does, the player gets an answer in time, from whom the table says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.backends.hosted import backend
from server.protocol import messages as m
from tests.faults import cases
from tests.faults.cases import CASES, MESSAGES, REPLICAS, Case
from tests.faults.rig import Played, play

NOTICE_CHARACTERS = 72
NO_FAILURES = {"ok", "overtaken"}
"""A route that was only slower than another one is nobody's worry."""


@pytest.mark.parametrize("local", ["up", "down"])
@pytest.mark.parametrize("case", [*CASES, *MESSAGES], ids=lambda case: case.name)
async def test_a_turn_is_answered_whatever_the_hosted_route_does(
    case: Case,
    local: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    played = await play(case, tmp_path, local_up=local == "up")
    record_property("fault", row(case, local, played))
    check_answer(case, played, local_up=local == "up")
    check_words(played, "".join(capfd.readouterr()))


@pytest.mark.parametrize("case", REPLICAS, ids=lambda case: case.name)
async def test_another_server_of_the_route_answers_before_any_text_was_heard(
    case: Case,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backend, "STALL_S", cases.STALL_MS / 1_000)
    played = await play(case, tmp_path, local_up=False, replica=True)
    record_property("fault", row(case, "down", played))
    check_answer(case, played, local_up=False)
    check_words(played, "".join(capfd.readouterr()))


def row(case: Case, local: str, played: Played) -> tuple[str, ...]:
    """The line of the table."""
    route = played.end.route
    attempts = ", ".join(f"{one.route} {one.outcome}" for one in route.attempts)
    notices = "; ".join(notice.message for notice in about_hosted(played)) or "-"
    return (
        case.name,
        local,
        route.name or "-",
        attempts,
        notices,
        f"{played.first_line_ms:.0f}",
        f"{played.total_ms:.0f}",
    )


def check_answer(case: Case, played: Played, *, local_up: bool) -> None:
    floor = "local" if local_up else "authored"
    assert len(played.ends) == 1
    assert (played.end.reason, played.end.route.name) == ("done", "hosted" if case.hosted_answers else floor)
    wanted = case.outcomes_up or case.outcomes if local_up else case.outcomes
    assert played.outcomes("hosted") in wanted, played.end.route.attempts
    assert played.asked == (len(played.outcomes("hosted").split()) if case.asked is None else case.asked)
    assert played.end.degraded == (case.degraded if case.hosted_answers else not local_up)
    assert case.silent_ms <= (played.total_ms if case.hosted_answers else played.first_line_ms)
    assert played.total_ms <= case.within_ms


def check_words(played: Played, logged: str) -> None:
    assert played.lines
    assert all(words.strip() for words in played.lines)
    assert cases.SPOILED not in " ".join(played.lines)
    assert cases.KEY not in played.everything
    assert cases.KEY not in logged
    failed = set(played.outcomes("hosted").split()) - NO_FAILURES
    assert bool(about_hosted(played)) == bool(failed)
    assert all(notice.hint for notice in played.notices)


def about_hosted(played: Played) -> list[m.Notice]:
    return [notice for notice in played.notices if "hosted" in notice.message]
