"""A log as plain text: cut where lines end, colours dropped, control characters shown, errors marked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm import loglines


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"\x1b[31mERROR\x1b[0m: no\n", ["e", "ERROR: no"]),
        (b"\x1b]0;title\x07Warning: slow\n", ["w", "Warning: slow"]),
        (b"  1%\r 50%\r100%\n", ["", "100%"]),
        (b"dos line\r\n", ["", "dos line"]),
        (b"bell\x07 null\x00\n", ["", "bell\\x07 null\\x00"]),
        (b"<script>alert(1)</script>\n", ["", "<script>alert(1)</script>"]),
        (b"bad \xff byte\n", ["", "bad � byte"]),
        (b"tab\there\n", ["", "tab\there"]),
        (b"errorless terrorist\n", ["", "errorless terrorist"]),
        (b"Traceback (most recent call last):\n", ["e", "Traceback (most recent call last):"]),
    ],
)
def test_a_line_becomes_text_with_a_mark(raw: bytes, line: list[str]) -> None:
    assert loglines.read(raw) == [line]


def test_a_very_long_line_is_cut_and_says_so() -> None:
    [[_, text]] = loglines.read(b"x" * 5000)
    assert text.endswith(" … 1,000 more characters")


def test_an_unfinished_line_waits_for_the_next_piece() -> None:
    piece = loglines.cut(b"one\ntwo\nthr", begin=100, size=500, last=False)
    assert (piece.data, piece.begin, piece.end) == (b"one\ntwo\n", 100, 108)
    assert loglines.cut(b"one\ntwo\nthr", begin=100, size=111, last=True).end == 111


def test_a_piece_without_a_line_end_is_not_cut_inside_a_letter() -> None:
    piece = loglines.cut("xxö".encode()[:-1], begin=0, size=50, last=False)
    assert (piece.data, piece.end) == (b"xx", 2)


@given(st.one_of(st.binary(max_size=500), st.text(max_size=300).map(str.encode)), st.integers(4, 64))
def test_pieces_one_after_the_other_give_all_of_any_log(log: bytes, chunk: int) -> None:
    taken = b""
    for _ in range(len(log)):
        at = len(taken)
        data = log[at : at + chunk]
        piece = loglines.cut(data, begin=at, size=len(log), last=at + len(data) >= len(log))
        assert piece.begin == at
        taken += piece.data
        assert piece.end == len(taken)
    assert taken == log
