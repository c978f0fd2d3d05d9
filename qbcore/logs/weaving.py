"""What both streams of an attempt say, in the order of its coming: cut at the marks, and there where lines end.

The pieces of one stream, one after the other, are that stream to the byte. Where a piece ends depends only on what was
written before it, so somebody who follows a woven log never meets a byte twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from qbcore.logs.marks import Marks
from qbcore.logs.seekable import Bytes

LONGEST_LINE = 4096
"""Bytes that a cut is moved back at most to stand where a line ends."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of one stream; *at* is in seconds since the attempt began, None where nobody looked."""

    stream: str
    data: bytes
    at: float | None


def cut_off(data: bytes) -> int:
    """How many bytes at the end are the begin of a character whose rest is not there."""
    for count in range(1, min(4, len(data) + 1)):
        byte = data[-count]
        if byte >= 0xC0:
            return count if count < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


@dataclass(frozen=True, slots=True)
class Strand:
    """One stream's part of a grant's file."""

    stream: str
    file: Bytes
    begin: int
    end: int

    def floor(self, place: int) -> int:
        """The end of the last whole line before that place, or the place itself within a very long line."""
        place = max(self.begin, min(place, self.end))
        window = max(self.begin, place - LONGEST_LINE)
        data = self.file.read(window, place - window)
        found = data.rfind(b"\n")
        if found < 0 and window == self.begin and place - window < LONGEST_LINE:
            return self.begin
        return place - cut_off(data) if found < 0 else window + found + 1


class Woven:
    """Two strands as one log. `whole`: what no mark speaks of yet follows the last mark, out first; else it waits."""

    def __init__(self, out: Strand, err: Strand, marks: Marks, *, whole: bool) -> None:
        self._strands = (out, err)
        self._marks = marks
        within = marks.within((out.begin, out.end), (err.begin, err.end))
        self._first, self._count = within.start, len(within)
        self._began = marks.begun(out.begin, err.begin)
        self._whole = whole or not marks
        self._cuts: dict[int, Range] = {0: (out.begin, err.begin)}

    @property
    def size(self) -> int:
        return self._total(self._last)

    @property
    def settled(self) -> bool:
        """Whether nothing of it still waits for its mark."""
        return self._whole

    @property
    def ends(self) -> Range:
        """Where in their files both streams end."""
        out, err = self._strands
        return out.end, err.end

    @property
    def _last(self) -> int:
        return self._count + (1 if self._whole else 0)

    def segments(self, offset: int, length: int) -> Iterator[Segment]:
        """The pieces of at most *length* bytes from *offset* on."""
        number = bisect_right(range(self._last + 1), offset, key=self._total) - 1
        skip = offset - self._total(max(number, 0))
        while number < self._last and length > 0:
            for strand, begin, end in self._piece(number):
                take = min(end - begin - skip, length)
                if take > 0:
                    yield Segment(strand.stream, strand.file.read(begin + skip, take), self._time(number))
                    length -= take
                skip = max(0, skip - (end - begin))
            number += 1

    def _piece(self, number: int) -> Iterator[tuple[Strand, int, int]]:
        begins, ends = self._cut(number), self._cut(number + 1)
        yield from zip(self._strands, begins, ends, strict=True)

    def _cut(self, number: int) -> Range:
        """How far each stream has come after so many marks."""
        if number not in self._cuts:
            out, err = self._strands
            mark = self._first + number - 1
            self._cuts[number] = (
                (out.end, err.end)
                if number > self._count
                else (out.floor(self._marks.outs[mark]), err.floor(self._marks.errs[mark]))
            )
        return self._cuts[number]

    def _total(self, number: int) -> int:
        return sum(place - strand.begin for place, strand in zip(self._cut(number), self._strands, strict=True))

    def _time(self, number: int) -> float | None:
        if not self._count:
            return None
        mark = self._first + min(number, self._count - 1)
        return max(0, self._marks.times[mark] - self._began) / 1000
