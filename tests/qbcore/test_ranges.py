"""Frame ranges: numbers to text and back, chunks and partitions that lose no frame."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qbcore import ranges
from qbcore.errors import BadRange, Invalid
from qbcore.objects import Work
from qbcore.ranges import (
    binarySort,
    frameset,
    genchunks,
    genframes,
    genpartitions,
    rangechunk,
    rangejoin,
    rangeorder,
    rangepartition,
    rangesplit,
)

frames = st.integers(-(10**18) + 1, 10**18 - 1)
near = st.lists(st.integers(-30, 30), max_size=60)


@given(st.one_of(near, st.lists(frames, max_size=20)))
@example([1 - 10**18, 10**18 - 1])
def test_joined_frames_split_into_the_same_frames(numbers: list[int]) -> None:
    assert rangesplit(rangejoin(numbers), removeDuplicates=False) == numbers
    assert rangesplit(rangejoin(numbers)) == list(dict.fromkeys(numbers))


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 50))
def test_a_stepped_range_split_and_joined_covers_the_same_frames(first: int, last: int, step: int) -> None:
    written = f"{first}-{last}x{step}"
    assert rangesplit(rangejoin(rangesplit(written))) == rangesplit(written)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("5", [5]),
        (5, [5]),
        ("1-10x3", [1, 4, 7, 10]),
        ("1-10x2", [1, 3, 5, 7, 9]),
        ("1-5x2,10-12", [1, 3, 5, 10, 11, 12]),
        ("1-3, 7,  9-10", [1, 2, 3, 7, 9, 10]),
        ("-100", [-100]),
        ("2--2", [2, 1, 0, -1, -2]),
        ("-10--1x2", [-10, -8, -6, -4, -2]),
        ("10-1x4", [10, 6, 2]),
        ("001-003", [1, 2, 3]),
        ("3,1-4,3", [3, 1, 2, 4]),
        ("5-5x9", [5]),
        ("", []),
        ("  ", []),
    ],
)
def test_ranges_read_as_the_reference_says(written: str | int, numbers: list[int]) -> None:
    assert rangesplit(written) == numbers


def test_a_range_may_descend_over_zero() -> None:
    assert rangesplit("100--10") == list(range(100, -11, -1))


def test_duplicates_stay_when_asked_and_further_ranges_follow() -> None:
    assert rangesplit("1-3,2", removeDuplicates=False) == [1, 2, 3, 2]
    assert rangesplit("1-3", "2-4") == [1, 2, 3, 4]
    assert rangesplit("1-5", binarySort=True) == [1, 5, 3, 2, 4]


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([1, 2, 3, 4, 5], "1-5"),
        ([1, 3, 5, 7, 9, 11, 13], "1-13x2"),
        ([], ""),
        ([7], "7"),
        ([1, 3], "1-3x2"),
        ([1, 2, 4, 6, 8, 20], "1-2,4-8x2,20"),
        ([1, 3, 10], "1,3,10"),
        ([3, 2, 1], "3-1"),
        ([9, 5, 1, -3], "9--3x4"),
        ([2, 2, 2], "2,2,2"),
        (["1", "2"], "1-2"),
        ([-(10**17), 10**17, 5], f"-{10**17},{10**17},5"),
    ],
)
def test_frames_join_into_the_text_that_people_write(numbers: list[Any], written: str) -> None:
    assert rangejoin(numbers) == written


@pytest.mark.parametrize(
    ("written", "position"),
    [
        *[("1-10x", 5), ("1-", 2), ("-", 1), ("--1", 1), ("1,,2", 2), ("1,2,", 4), (",", 0), ("1, x", 3)],
        *[("5x2", 1), ("1-10x2x3", 6), ("1-2-3", 3), ("1 - 3", 1), ("1.5", 1), ("1-10y2", 4), ("left", 0), ("+5", 0)],
        *[("1-10x0", 5), ("1-10x-2", 5), ("٣", 0), ("1\x00", 1), ("7,1" + "0" * 30, 2), ("1-99999999999", 0)],
        ("1-6000000,1-6000000", 10),
    ],
)  # fmt: skip
def test_a_malformed_range_is_refused_with_position_and_hint(written: str, position: int) -> None:
    with pytest.raises(BadRange) as refused:
        rangesplit(written)
    assert refused.value.position == position
    assert refused.value.hint
    assert f"position {position}" in str(refused.value)


@given(st.text(st.sampled_from("0123456789-x, ,ab.")))
def test_any_text_is_read_or_refused_within_its_own_length(written: str) -> None:
    try:
        assert all(isinstance(frame, int) for frame in rangesplit(written))
    except BadRange as refused:
        assert 0 <= refused.position <= len(written)


@pytest.mark.parametrize("wrong", [None, 1.5, True, [1, 2], b"1-3"])
def test_what_is_no_text_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(Invalid, match="range: a "):
        rangesplit(wrong)


def test_a_number_too_long_to_print_is_refused_too() -> None:
    with pytest.raises(BadRange):
        rangesplit(10**5000)
    with pytest.raises(Invalid):
        rangejoin([10**5000])


@pytest.mark.parametrize("wrong", [["a"], [None], [1.5], [True], [float("nan")], [float("inf")]])
def test_joining_takes_whole_numbers_only(wrong: Any) -> None:
    with pytest.raises(Invalid, match=r"frames: .* is no whole number"):
        rangejoin(wrong)


@given(st.integers(1, 12), near)
def test_chunks_partition_the_frames(size: int, numbers: list[int]) -> None:
    unique = list(dict.fromkeys(numbers))
    chunks = [rangesplit(chunk) for chunk in rangechunk(size, rangejoin(numbers))]
    assert [frame for chunk in chunks for frame in chunk] == unique
    assert all(len(chunk) == size for chunk in chunks[:-1])


@given(st.integers(1, 12), near)
def test_partitions_partition_the_frames_and_differ_by_at_most_one(parts: int, numbers: list[int]) -> None:
    unique = list(dict.fromkeys(numbers))
    partitions = [rangesplit(partition) for partition in rangepartition(parts, rangejoin(numbers))]
    assert [frame for partition in partitions for frame in partition] == unique
    assert len(partitions) == min(parts, len(unique))
    sizes = {len(partition) for partition in partitions}
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(near)
def test_binary_sort_keeps_every_frame(numbers: list[int]) -> None:
    assert sorted(binarySort(numbers)) == sorted(numbers)
    assert binarySort(numbers)[:2] == numbers[:1] + numbers[-1:] * (len(numbers) > 1)


def test_binary_sort_goes_from_coarse_to_fine() -> None:
    assert binarySort(range(1, 11)) == [1, 10, 5, 3, 7, 2, 4, 6, 8, 9]
    assert binarySort("abc") == ["a", "c", "b"]
    assert binarySort([]) == []


@pytest.mark.parametrize(
    ("mode", "numbers"),
    [
        ("ascend", [1, 2, 3, 4, 5]),
        ("descend", [5, 4, 3, 2, 1]),
        ("reverse", [2, 1, 5, 4, 3]),
        ("binary", [1, 5, 3, 2, 4]),
        ("rawbinary", [3, 2, 5, 4, 1]),
    ],
)
def test_frames_come_in_the_order_asked_for(mode: str, numbers: list[int]) -> None:
    assert rangeorder(mode, "3-5,1-2") == numbers


def test_an_unknown_order_is_refused_with_those_there_are() -> None:
    with pytest.raises(Invalid, match=r"mode: .*binary.*reverse.*rawbinary.*ascend.*descend"):
        rangeorder("backwards", "1-10")


def test_chunks_and_partitions_are_named_by_their_ranges() -> None:
    assert rangechunk(5, "1-20") == ["1-5", "6-10", "11-15", "16-20"]
    assert rangechunk(3, "1-10x3") == ["1-7x3", "10"]
    assert rangechunk("2", "1-3") == ["1-2", "3"]  # type: ignore[arg-type]  # numbers may arrive as text
    assert rangechunk(5, "-100--1", binarySort=True)[:3] == ["-100--96", "-5--1", "-55--51"]
    assert rangepartition(2, "1-10") == ["1-5", "6-10"]
    assert rangepartition(3, "1-10") == ["1-4", "5-7", "8-10"]
    assert rangepartition(3, "") == []


@pytest.mark.parametrize("wrong", [0, -1, "x", None, 1.5, True, -(10**5000)], ids=lambda wrong: type(wrong).__name__)
@pytest.mark.parametrize(("cut", "field"), [(rangechunk, "chunksize"), (rangepartition, "numPartitions")])
def test_a_size_that_is_no_size_is_refused_by_name(cut: Callable[..., Any], field: str, wrong: Any) -> None:
    with pytest.raises(Invalid, match=f"^{field}: "):
        cut(wrong, "1-10")


def test_an_agenda_holds_pending_work_named_by_its_frames() -> None:
    assert genframes("1-10x4, 2") == [Work(name=name, status="pending") for name in ("1", "5", "9", "2")]
    assert all(type(item) is Work for item in genframes("1-3"))
    assert genchunks(5, "-100--10")[0] == Work(name="-100--96", status="pending")
    assert [item.name for item in genpartitions(3, "-100--1")] == ["-100--67", "-66--34", "-33--1"]
    assert [item.name for item in genframes("1-5", binarySort=True)] == ["1", "5", "3", "2", "4"]
    assert [item.name for item in genframes("2,1-2", removeDuplicates=False)] == ["2", "1", "2"]


def test_words_pass_into_an_agenda_of_frames() -> None:
    words = "left, right,1-2,left,1080p,x,2k-left,shot_010,日本"
    assert [item.name for item in genframes(words)] == [
        *("left", "right", "1", "2", "1080p", "x", "2k-left", "shot_010", "日本")
    ]


@pytest.mark.parametrize("typo", ["1-10y2", "1-10:2", "10x", "1-10x", "1.5", "1-10step2", "1,,2", "5X2", "#"])
def test_a_mistyped_range_is_no_word(typo: str) -> None:
    with pytest.raises(BadRange):
        genframes(typo)


@pytest.mark.parametrize(
    ("name", "covered"),
    [("5", [5]), ("1-10x3", [1, 4, 7, 10]), ("1-2,9,1", [1, 2, 9]), ("left", []), ("1-2,a", []), ("", [])],
)
def test_the_frames_that_an_items_name_covers(name: str, covered: list[int]) -> None:
    assert list(frameset(name)) == covered


def test_a_huge_frame_set_is_not_written_out() -> None:
    assert 10**17 in frameset("1-999999999999999999")


def test_an_unknown_keyword_is_an_error_and_not_ignored() -> None:
    for function in (rangesplit, genframes):
        with pytest.raises(TypeError, match=r"binarysort.*known: binarySort, removeDuplicates"):
            function("1-10", binarysort=True)
    for cut in (rangechunk, rangepartition, genchunks, genpartitions):
        with pytest.raises(TypeError, match="removeDuplicates"):
            cut(2, "1-10", removeDuplicates=False)


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("rangesplit", "range, *extraRanges, **kwargs"),
        ("rangechunk", "chunksize, range, *extraRanges, **kwargs"),
        ("rangejoin", "frames"),
        ("rangeorder", "mode, range"),
        ("genframes", "range, *extraRanges, **kwargs"),
        ("genchunks", "chunksize, range, *extraRanges, **kwargs"),
        ("genpartitions", "numPartitions, range, *extraRanges, **kwargs"),
    ],
)
def test_signatures_are_those_of_the_reference(name: str, signature: str) -> None:
    parameters = inspect.signature(getattr(ranges, name)).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    assert ", ".join(map(str, bare)) == signature
