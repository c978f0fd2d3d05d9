"""Weekly calendars: 'mon-fri 09:00-18:00, sat 10:00-12:00' says when in each week something holds.

Times are of the wall clock of a zone that the caller names. Where the clocks change, a window lasts from the first
moment at which the wall clock shows its beginning (or has jumped over it) to the last at which it shows its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NoReturn

from qbcore.errors import Invalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 24 * 60
WEEK = 7 * DAY
MINUTE = timedelta(minutes=1)
_WINDOW = re.compile(r"(?P<days>.*?)\s*\b(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})")
_HINT = "Write days and times as in 'mon-fri 09:00-18:00, sat 10:00-12:00'."


@dataclass(frozen=True, slots=True)
class Window:
    """On one day of the week (0: Monday) from a minute of the day to another, which may lie on the next day."""

    day: int
    start: int
    end: int


@lru_cache(maxsize=4096)
def parse(text: str, field: str = "calendar") -> tuple[Window, ...]:
    """The windows that a text names; none for an empty text. Raises Invalid, naming the field and the cure."""
    if not text.strip():
        return ()
    windows = tuple(window for part in text.split(",") for window in _windows(part.strip().lower(), field))
    if len({minute % WEEK for one in windows for minute in _minutes(one)}) == WEEK:
        _fail("the calendar covers the whole week", field, "Lock the host instead.")
    return windows


def _minutes(window: Window) -> range:
    return range(window.day * DAY + window.start, window.day * DAY + window.end)


def _windows(part: str, field: str) -> Iterator[Window]:
    found = _WINDOW.fullmatch(part)
    if found is None:
        _fail(f"'{part}' is no time of the week" if part else "a time is missing at a comma", field)
    start, end = _minute(found["start"], field), _minute(found["end"], field)
    if start == DAY:
        _fail(f"'{part}' begins when its day is over", field, "Begin it at 00:00 of the next day.")
    if start == end:
        _fail(f"'{part}' lasts no time", field, "Write 00:00-24:00 for a whole day.")
    for day in _days(found["days"], part, field):
        yield Window(day, start, end if end > start else end + DAY)


def _minute(text: str, field: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > DAY:
        _fail(f"{text} is no time of the day", field, "Give 00:00 to 24:00.")
    return hours * 60 + minutes


def _days(text: str, part: str, field: str) -> list[int]:
    """Days, ranges of days, or several of both with spaces between; none at all is every day."""
    found: list[int] = []
    for word in re.sub(r"\s*-\s*", "-", text).split() or ["mon-sun"]:
        first, dash, last = word.partition("-")
        last = last if dash else first
        wrong = next((one for one in (first, last) if one not in DAYS), None)
        if wrong is not None:
            _fail(f"'{wrong}' in '{part}' is no day", field, f"Give one of {', '.join(DAYS)}.")
        start, count = DAYS.index(first), (DAYS.index(last) - DAYS.index(first)) % 7 + 1
        found += [(start + step) % 7 for step in range(count)]
    return list(dict.fromkeys(found))


def _fail(problem: str, field: str, hint: str = _HINT) -> NoReturn:
    raise Invalid(problem, field=field, hint=hint)


def until(windows: tuple[Window, ...], now: datetime, zone: tzinfo) -> datetime | None:
    """When the time that now belongs to ends, windows that touch taken together; None outside all of them.

    *now* knows its zone; the answer is in *zone*.
    """
    if not windows:
        return None
    end = now.astimezone(UTC)
    spans = sorted(_spans(windows, now.astimezone(zone).date(), zone))
    for start, stop in spans:
        if start <= end < stop:
            end = stop
    return end.astimezone(zone) if end > now else None


def _spans(windows: tuple[Window, ...], today: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """The windows of the days around, as moments: from two days ago until one that begins in ten days."""
    for offset in range(-2, 11):
        day = today + timedelta(days=offset)
        midnight = datetime.combine(day, time())
        for window in windows:
            if window.day == day.weekday():
                start, end = midnight + window.start * MINUTE, midnight + window.end * MINUTE
                yield _moment(start, zone, fold=0), _moment(end, zone, fold=1)


def _moment(wall: datetime, zone: tzinfo, *, fold: int) -> datetime:
    """The moment at which the wall clock shows that; one that is jumped over is the moment of the jump."""
    shown = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if shown.astimezone(zone).replace(tzinfo=None) == wall:
        return shown
    before, after = sorted(wall.replace(tzinfo=zone, fold=each).astimezone(UTC) for each in (0, 1))
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == offset else (middle, after)
    return after.replace(microsecond=0)


def told(moment: datetime) -> str:
    """'mon 18:00'"""
    return f"{DAYS[moment.weekday()]} {moment:%H:%M}"
