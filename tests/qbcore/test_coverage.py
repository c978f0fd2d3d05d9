"""Which items share a frame with an item of another agenda."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.coverage import Coverage, frames_of, meet


@pytest.mark.parametrize(
    ("names", "name", "places"),
    [
        (["1", "2", "3"], "2", [1]),
        (["1", "2", "3"], "1-2", [0, 1]),
        (["1-2", "3-4"], "3", [1]),
        (["1-2", "3-4"], "2-3", [0, 1]),
        (["1-9x2", "2-10x2"], "4", [1]),
        (["5", "5"], "5", [0, 1]),
        (["10-1"], "3", [0]),
        (["-5--1"], "-3", [0]),
        (["sh010", "sh020"], "sh020", [1]),
        (["sh010"], "sh0", []),
        (["1", "2"], "3", []),
        (["1,3", "2"], "3", [0]),
        (["1-1000000000"], "999999999-999999999999", [0]),
        (["0-1000000000x2"], "1-999999999x2", []),
    ],
)
def test_items_meet_where_they_share_a_frame(names: list[str], name: str, places: list[int]) -> None:
    assert Coverage(enumerate(names)).of(name) == places


def span(first: int, count: int, step: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + (count - 1) * step}x{abs(step)}"


spans = st.builds(
    span, st.integers(-30, 30), st.integers(1, 9), st.integers(-5, 5).filter(bool)
)  # fmt: skip
names = st.one_of(spans, st.lists(spans, min_size=2, max_size=3).map(",".join), st.sampled_from(["a", "b"]))


@given(st.lists(names, max_size=12), names)
def test_it_finds_exactly_the_items_whose_frames_overlap(agenda: list[str], name: str) -> None:
    def frames(text: str) -> set[int | str]:
        return {frame for part in frames_of(text) for frame in part} or {text}

    expected = [pos for pos, other in enumerate(agenda) if frames(other) & frames(name)]
    assert Coverage(enumerate(agenda)).of(name) == expected


@given(st.integers(-50, 50), st.integers(1, 12), st.integers(1, 9), st.integers(-50, 50), st.integers(1, 12))
def test_runs_meet_when_one_number_is_in_both(first: int, count: int, step: int, second: int, many: int) -> None:
    one, other = range(first, first + count * step, step), range(second, second + many * 3, 3)
    assert meet(one, other) == bool(set(one) & set(other))
