"""Text for people: times, counts, sizes, ranges, and the pixels of a bar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm import bars, formats

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_counts_have_separators_and_agree_with_their_noun() -> None:
    assert formats.count(1204) == "1,204"
    assert formats.plural(1, "job") == "1 job"
    assert formats.plural(1204, "job") == "1,204 jobs"
    assert formats.plural(0, "reply", "replies") == "0 replies"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (-3, "0s"), (59, "59s"), (240, "4m"), (11520, "3h 12m"), (3600, "1h 00m"), (93600, "1d 2h")],
)
def test_a_span_names_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert formats.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0:00"), (0.42, "0:00.4"), (7.4, "0:07.4"), (59.6, "1:00"), (411, "6:51"), (3723, "1:02:03")],
)
def test_a_frame_time_is_written_to_the_second(seconds: float | None, text: str) -> None:
    assert formats.clock(seconds) == text


def test_a_moment_shows_the_date_only_when_it_is_another_day() -> None:
    assert formats.moment(NOON - timedelta(hours=1), NOON) == "11:00:00"
    assert formats.moment(NOON - timedelta(days=1), NOON) == "21 Nov 12:00"
    assert formats.moment(NOON - timedelta(days=400), NOON) == "18 Oct 2025"
    assert formats.moment(None, NOON) == "–"


@pytest.mark.parametrize(
    ("amount", "text"), [(None, "–"), (0, "–"), (512, "512 B"), (1536, "1.5 KB"), (61_300 * 2**20, "59.9 GB")]
)
def test_sizes_are_in_binary_units(amount: int | None, text: str) -> None:
    assert formats.size(amount) == text


def test_a_percentage_is_rounded_down() -> None:
    assert formats.percent(2399, 2400) == "99%"
    assert formats.percent(0, 0) == "0%"


@given(st.sets(st.integers(0, 500)))
def test_ranges_name_exactly_the_numbers_they_were_made_of(numbers: set[int]) -> None:
    back: set[int] = set()
    for part in formats.ranges(numbers).split(","):
        first, _, last = part.partition("-")
        back.update(range(int(first), int(last or first) + 1) if part else ())
    assert back == numbers


def test_a_long_name_keeps_its_start_and_its_version() -> None:
    cut = formats.middle_cut("sq020_0150_fx_bubbles_with_a_very_long_description_indeed_v059", 30)
    assert len(cut) == 30
    assert cut.startswith("sq020_0150_fx") and cut.endswith("v059")


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=8), st.integers(60, 400))
def test_the_parts_of_a_bar_fill_it_and_none_is_too_thin(counts: list[int], width: int) -> None:
    found = bars.parts([(str(at), count) for at, count in enumerate(counts)], width, least={"2": 3})
    assert len(found) == sum(count > 0 for count in counts)
    if found:
        assert found[0].x == 0
        assert found[-1].x + found[-1].width == width
        assert all(left.x + left.width + bars.GAP == right.x for left, right in pairwise(found))
        assert all(part.width >= (3 if part.name == "2" else 2) for part in found)


def test_a_load_bar_is_full_only_when_all_is_used() -> None:
    assert bars.filled(0, 16, 100) == 0
    assert bars.filled(0.01, 16, 100) == 2
    assert bars.filled(15.9, 16, 100) == 99
    assert bars.filled(16, 16, 100) == 100
    assert bars.filled(3, 0, 100) == 0
