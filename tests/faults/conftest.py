"""The table at the end of a run of this folder."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.faults.cases import CASES, MESSAGES, REPLICAS

TITLES = ("case", "local", "answered", "attempts", "notice", "first line ms", "total ms")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [row for reports in terminalreporter.stats.values() for row in _rows(reports)]
    if not rows:
        return
    terminalreporter.section("faults")
    widths = [max(map(len, column)) for column in zip(TITLES, *rows, strict=True)]
    places = {case.name: place for place, case in enumerate((*CASES, *MESSAGES, *REPLICAS))}
    for row in (TITLES, *sorted(rows, key=lambda row: (places[row[0]], row[1] == "down"))):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(line.rstrip())


def _rows(reports: Iterable[Any]) -> list[tuple[str, ...]]:
    calls = (report for report in reports if getattr(report, "when", "") == "call")
    return [tuple(value) for report in calls for name, value in report.user_properties if name == "fault"]
