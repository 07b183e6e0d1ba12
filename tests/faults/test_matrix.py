"""Whatever a hosted server does, the player gets an answer in time, from whom the table says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import cases
from tests.faults.cases import CASES, Case
from tests.faults.rig import Played, play


@pytest.mark.parametrize("local", ["up", "down"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
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
    check_words(case, played, "".join(capfd.readouterr()))


def row(case: Case, local: str, played: Played) -> tuple[str, ...]:
    """The line of the table."""
    route = played.end.route
    attempts = ", ".join(f"{one.route} {one.outcome}" for one in route.attempts)
    notices = "; ".join(notice.message for notice in played.notices if "hosted" in notice.message) or "-"
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
    assert played.outcomes("hosted") in case.outcomes, played.end.route.attempts
    assert played.asked == case.asked
    assert played.end.degraded == (case.degraded if case.hosted_answers else not local_up)
    assert case.silent_ms <= (played.total_ms if case.hosted_answers else played.first_line_ms)
    assert played.total_ms <= case.within_ms


def check_words(case: Case, played: Played, logged: str) -> None:
    assert played.lines
    assert all(words.strip() for words in played.lines)
    assert cases.SPOILED not in " ".join(played.lines)
    assert cases.KEY not in played.everything
    assert cases.KEY not in logged
    told = [notice for notice in played.notices if "hosted" in notice.message]
    assert bool(told) == case.noticed
