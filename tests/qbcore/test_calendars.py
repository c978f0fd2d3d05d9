"""Weekly calendars: what they say, when they hold, and that a change of the clocks leaves no hole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore import calendars
from qbcore.calendars import DAY, DAYS, WEEK, Window, parse, until
from qbcore.errors import Invalid

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = parse("mon-fri 09:00-18:00, sat 10:00-12:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("", 0), ("  ", 0), ("mon 9:00-10:00", 1), ("MON-Fri 09:00-18:00, sat 10:00-12:00", 6), ("08:00-09:00", 7),
        ("mon wed fri 08:00-09:00", 3), ("sat-mon 00:00-24:00", 3), ("fri 22:00-06:00", 1),
    ],
)  # fmt: skip
def test_days_and_times_are_written_as_one_says_them(text: str, windows: int) -> None:
    assert len(parse(text)) == windows


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("monday 09:00-10:00", "'monday' in 'monday 09:00-10:00' is no day"),
        ("mon", "'mon' is no time of the week"),
        ("mon 09:00-09:00", "lasts no time"),
        ("mon 25:00-26:00", "25:00 is no time of the day"),
        ("mon 09:60-10:00", "09:60 is no time of the day"),
        ("mon 24:00-10:00", "begins when its day is over"),
        ("mon 09:00-10:00,", "a time is missing at a comma"),
        ("00:00-24:00", "covers the whole week. Lock the host instead"),
    ],
)
def test_a_calendar_that_means_nothing_is_refused_with_field_and_cure(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refusal:
        parse(text)
    assert refusal.value.field == "calendar"


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-23 08:59", None),
        ("2026-11-23 09:00", "2026-11-23 18:00"),
        ("2026-11-23 17:59", "2026-11-23 18:00"),
        ("2026-11-23 18:00", None),
        ("2026-11-28 11:00", "2026-11-28 12:00"),
        ("2026-11-29 11:00", None),
    ],
)
def test_it_holds_from_the_first_minute_until_the_last_one_is_over(now: str, end: str | None) -> None:
    assert until(OFFICE, at(now), BERLIN) == (at(end) if end else None)


def test_windows_that_touch_end_together_over_midnight_and_the_weekend() -> None:
    nights = parse("fri 18:00-24:00, sat sun 00:00-24:00, sun 22:00-09:00")
    end = until(nights, at("2026-11-27 20:00"), BERLIN)
    assert end == at("2026-11-30 09:00")
    assert calendars.told(end) == "mon 09:00"


def test_the_hour_that_comes_twice_is_locked_twice_and_the_one_that_never_comes_ends_at_the_jump() -> None:
    night = parse("sun 02:15-02:45")
    autumn = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)  # 02:00 in summer time; 03:00 comes back to 02:00
    held = [minute for minute in range(180) if until(night, autumn + timedelta(minutes=minute), BERLIN)]
    assert held == list(range(15, 105))
    spring = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 01:00; at 01:00 UTC it jumps from 02:00 to 03:00
    assert not [minute for minute in range(180) if until(night, spring + timedelta(minutes=minute), BERLIN)]
    early = parse("sun 01:30-02:30")
    assert until(early, spring + timedelta(minutes=45), BERLIN) == spring + timedelta(minutes=60)


def text_of(window: Window) -> str:
    end = window.end if window.end <= DAY else window.end - DAY
    return f"{DAYS[window.day]} {window.start // 60:02}:{window.start % 60:02}-{end // 60:02}:{end % 60:02}"


WINDOWS = st.lists(
    st.builds(
        lambda day, start, length: Window(day, start, start + length),
        st.integers(0, 6), st.integers(0, DAY - 1), st.integers(1, DAY - 1),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@given(WINDOWS, st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)))
def test_it_holds_exactly_in_the_minutes_that_its_windows_name(windows: list[Window], wall: datetime) -> None:
    read = parse(", ".join(map(text_of, windows)))
    assert sorted(read, key=repr) == sorted(windows, key=repr)
    minute = wall.weekday() * DAY + wall.hour * 60 + wall.minute
    inside = {number % WEEK for one in windows for number in range(one.day * DAY + one.start, one.day * DAY + one.end)}
    end = until(read, wall.replace(tzinfo=UTC), UTC)
    assert (end is not None) == (minute in inside)
    if end is not None:
        last = end - timedelta(minutes=1)
        assert end > wall.replace(tzinfo=UTC)
        assert end.weekday() * DAY + end.hour * 60 + end.minute not in inside
        assert last.weekday() * DAY + last.hour * 60 + last.minute in inside


@given(WINDOWS, st.integers(0, 365 * DAY))
def test_what_it_says_stays_true_until_then_in_a_zone_whose_clocks_change(windows: list[Window], minute: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    end = until(tuple(windows), now, BERLIN)
    if end is not None:
        assert now < end <= now + timedelta(days=9)
        assert until(tuple(windows), end - timedelta(minutes=1), BERLIN) == end
        assert until(tuple(windows), end, BERLIN) is None
