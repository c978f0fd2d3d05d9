"""Sets of positions as runs of neighbours."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore import spans
from qbcore.errors import Invalid

sets = st.sets(st.integers(0, 300)).map(sorted)


@given(sets)
def test_positions_come_back_out_of_spans_and_of_their_text(positions: list[int]) -> None:
    found = spans.of(positions)
    assert list(spans.positions(found)) == positions
    assert spans.parse(spans.text(found)) == found
    assert spans.size(found) == len(positions)


@given(sets)
def test_spans_are_as_few_as_can_be(positions: list[int]) -> None:
    found = spans.of(positions)
    assert all(second[0] > first[1] + 1 for first, second in pairwise(found))


@given(sets, st.integers(-1, 301))
def test_what_lies_behind_a_position_is_cut_off_there(positions: list[int], pos: int) -> None:
    assert list(spans.positions(spans.after(spans.of(positions), pos))) == [one for one in positions if one > pos]


@given(sets, st.integers(1, 40))
def test_slices_hold_all_in_order_and_each_is_full_but_the_last(positions: list[int], most: int) -> None:
    parts = [list(spans.positions(part)) for part in spans.slices(spans.of(positions), most)]
    assert [pos for part in parts for pos in part] == positions
    assert all(len(part) == most for part in parts[:-1])
    assert all(0 < len(part) <= most for part in parts)


@pytest.mark.parametrize(
    ("text", "normal"), [("5,3-4", "3-5"), ("0-5,3-9", "0-9"), ("1-9,2", "1-9"), ("", ""), (",2,", "2")]
)
def test_ranges_may_come_in_any_order_and_overlap(text: str, normal: str) -> None:
    assert spans.text(spans.parse(text)) == normal


@pytest.mark.parametrize("text", ["5-3", "-1", "1-", "a", "1 2", "1-2-3", "9999999999"])
def test_what_is_no_range_of_positions_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no range of positions"):
        spans.parse(text)
