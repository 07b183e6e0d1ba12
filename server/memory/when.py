"""Time words: which stretch of game time "yesterday", "in three days" or "last Friday" means. Pure logic.

Times are seconds since the world's own zero, which is a midnight; a day has 86,400 of them. A time past `REAL_TIME_S`
is taken for Unix time (UTC), where months, years and weekdays mean what they mean to us. In a world's own time weekdays
mean something only where the world names them.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime

HOUR_S = 3_600.0
DAY_S = 86_400.0
REAL_TIME_S = 3e8
"""Nearly ten years: no game's clock gets there, and no one talks by Unix time from before."""
LATEST_REAL_S = 2e11

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNIX_ZERO_WEEKDAY = 3
_MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "couple": 2, "three": 3, "few": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_UNIT_S = {"minute": 60.0, "hour": HOUR_S, "day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S}
_HOURS = {
    "dawn": 6, "sunrise": 6, "morning": 8, "noon": 12, "midday": 12, "afternoon": 15, "dusk": 19, "sunset": 19,
    "evening": 19, "tonight": 20, "nightfall": 20, "night": 21, "midnight": 24,
}  # fmt: skip

_SPAN = re.compile(
    r"\b(?:(in|within) )?(?:about |around |roughly )?(?:a )?(\d{1,4}|" + "|".join(_NUMBERS) + r")(?: of)? "
    r"(minute|hour|day|week|month|year)s?(?: (ago|from now|before|earlier))?\b"
)
_NEXT_LAST = re.compile(r"\b(last|next|this|past|previous|coming) (week|month|year|night|morning|evening)\b")
_DAY = re.compile(r"\b(?:the day (before yesterday|after tomorrow)|(yesterday|today|tonight|tomorrow))\b")
_HOUR = re.compile(r"\b(" + "|".join(_HOURS) + r")\b")
_DATE = re.compile(
    r"\b(?:(\d{1,2})(?:st|nd|rd|th)?(?: of)? )?(" + "|".join(_MONTHS) + r")\b(?: (\d{1,2})(?:st|nd|rd|th)?\b(?!\d))?"
    r"(?:,? (\d{4}))?"
)
_YEAR = re.compile(r"\b(?:in|of|during|since) (\d{4})\b")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in seconds, from `start_s` up to `end_s`."""

    start_s: float
    end_s: float

    def holds(self, time_s: float) -> bool:
        """Whether a time lies in it."""
        return self.start_s <= time_s < self.end_s


def span_of(text: str, now_s: float | None, weekdays: tuple[str, ...] = ()) -> Span | None:
    """The stretch of time that the first time words in `text` mean, said at `now_s`; None where there are none.

    `weekdays` are the world's own names of its days, the first that of day 0.
    """
    if now_s is None or not abs(now_s) < LATEST_REAL_S:
        return None
    said = text.lower()
    today_s = now_s // DAY_S * DAY_S
    for find in (_relative_day, _counted, _next_or_last):
        if (span := find(said, now_s, today_s)) is not None:
            return span
    if (span := _weekday(said, today_s, weekdays)) is not None:
        return span
    return _date(said, now_s) if now_s > REAL_TIME_S else None


def due_s(text: str, now_s: float | None, weekdays: tuple[str, ...] = ()) -> float | None:
    """When something promised in `text` falls due: the hour that is named on the day that is meant."""
    span = span_of(text, now_s, weekdays)
    hour = _HOUR.search(text.lower())
    if now_s is None or (span is None and hour is None):
        return None
    start_s = span.start_s if span is not None else now_s // DAY_S * DAY_S
    if span is not None and span.end_s - span.start_s < DAY_S:
        return max(span.start_s, now_s)
    due = start_s // DAY_S * DAY_S + (_HOURS[hour[1]] if hour else 12) * HOUR_S
    if due <= now_s and span is None:
        due += DAY_S
    return max(due, now_s)


def _day(start_s: float) -> Span:
    return Span(start_s, start_s + DAY_S)


def _relative_day(said: str, now_s: float, today_s: float) -> Span | None:
    found = _DAY.search(said)
    if found is None:
        return None
    days = {"before yesterday": -2, "yesterday": -1, "tomorrow": 1, "after tomorrow": 2}.get(found[1] or found[2], 0)
    if found[2] == "tonight":
        return Span(max(now_s, today_s + 18 * HOUR_S), today_s + 30 * HOUR_S)
    return _day(today_s + days * DAY_S)


def _counted(said: str, now_s: float, today_s: float) -> Span | None:
    found = _SPAN.search(said)
    if found is None or not (found[1] or found[4]) or (found[1] and found[4] in {"ago", "before", "earlier"}):
        return None
    number = _NUMBERS.get(found[2]) or int(found[2])
    unit_s = _UNIT_S[found[3]]
    is_past = found[4] in {"ago", "before", "earlier"}
    at_s = now_s + (-1 if is_past else 1) * number * unit_s
    if unit_s < DAY_S:
        return Span(at_s - unit_s / 2, at_s + unit_s / 2)
    if unit_s == DAY_S:
        return _day(at_s // DAY_S * DAY_S)
    return Span(at_s - unit_s / 2, at_s + unit_s / 2)


def _next_or_last(said: str, now_s: float, today_s: float) -> Span | None:
    found = _NEXT_LAST.search(said)
    if found is None:
        return None
    which, what = found.groups()
    if what in {"night", "morning", "evening"}:
        if which == "this":
            return _day(today_s)
        past = which in {"last", "past", "previous"}
        start_s = today_s + (-DAY_S if past else DAY_S)
        return Span(start_s + 18 * HOUR_S, start_s + 30 * HOUR_S) if what == "night" else _day(start_s)
    unit_s = _UNIT_S[what]
    if which == "this":
        return Span(now_s - unit_s, now_s + unit_s)
    # Whoever says "last week" may mean the calendar's week or seven days: both lie in here.
    if which in {"last", "past", "previous"}:
        return Span(today_s - 2 * unit_s, today_s)
    return Span(today_s + DAY_S, today_s + 2 * unit_s)


def _weekday(said: str, today_s: float, weekdays: tuple[str, ...]) -> Span | None:
    names, zero = (weekdays, 0) if weekdays else (WEEKDAYS, _UNIX_ZERO_WEEKDAY)
    if not weekdays and today_s < REAL_TIME_S:
        return None
    for index, name in enumerate(names):
        found = re.search(rf"\b(?:(last|next|this|coming) )?{re.escape(name.lower())}\b", said)
        if found is None:
            continue
        today = (int(today_s // DAY_S) + zero) % len(names)
        ahead = (index - today) % len(names)
        if found[1] in {"next", "this", "coming"} or re.search(r"\b(?:will|shall|'ll|let's|meet|come|promise)\b", said):
            return _day(today_s + (ahead or len(names)) * DAY_S)
        return _day(today_s - ((len(names) - ahead) % len(names) or len(names)) * DAY_S)
    return None


def _date(said: str, now_s: float) -> Span | None:
    this_year = datetime.fromtimestamp(now_s, UTC).year
    if (found := _DATE.search(said)) and (found[2] not in {"may", "march"} or found[1] or found[3] or found[4]):
        month = _MONTHS.index(found[2]) + 1
        year = int(found[4] or this_year)
        day = int(found[1] or found[3] or 0)
        if not 1970 <= year <= 2999:
            return None
        if not 1 <= day <= calendar.monthrange(year, month)[1]:
            return Span(_utc_s(year, month, 1), _utc_s(year + month // 12, month % 12 + 1, 1))
        return _day(_utc_s(year, month, day))
    if (found := _YEAR.search(said)) and 1970 <= int(found[1]) <= 2999:
        return Span(_utc_s(int(found[1]), 1, 1), _utc_s(int(found[1]) + 1, 1, 1))
    return None


def _utc_s(year: int, month: int, day: int) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()
