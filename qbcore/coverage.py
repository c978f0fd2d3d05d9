"""Which items of one agenda cover frames of another: a chunk 1-5 meets 1, 2, … 5, and 1-2 and 4-8 too. Pure words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import gcd

from qbcore.ranges import frameset

MOST_DIGITS = 18
Span = tuple[int, int, Sequence[int], int]
"""First and last frame, the frames, and the position of the item."""


class Coverage:
    """The items of an agenda by what they cover; names that are no frames are words, which only meet themselves."""

    def __init__(self, names: Iterable[tuple[int, str]]) -> None:
        self._words: dict[str, list[int]] = defaultdict(list)
        self._singles: dict[int, list[int]] = defaultdict(list)
        # By the length of the span in bits: in each class a search steps over few that end too early.
        self._spans: dict[int, list[Span]] = defaultdict(list)
        for pos, name in names:
            self._add(pos, name)
        self._order = sorted(self._singles)
        for found in self._spans.values():
            found.sort(key=lambda span: span[:2])

    def _add(self, pos: int, name: str) -> None:
        number = _number(name)
        if number is not None:
            self._singles[number].append(pos)
            return
        parts = frames_of(name)
        if not parts:
            self._words[name].append(pos)
        for part in parts:
            if len(part) == 1:
                self._singles[part[0]].append(pos)
            else:
                first, last = min(part[0], part[-1]), max(part[0], part[-1])
                self._spans[(last - first).bit_length()].append((first, last, part, pos))

    def of(self, name: str) -> list[int]:
        """The positions of the items that share a frame with the item of that name, ascending; [] when none does."""
        number = _number(name)
        if number is not None and not self._spans:
            return self._singles.get(number, [])
        parts = frames_of(name)
        if not parts:
            return self._words.get(name, [])
        return sorted({pos for part in parts for pos in self._meeting(part)})

    def _meeting(self, frames: Sequence[int]) -> Iterable[int]:
        first, last = min(frames[0], frames[-1]), max(frames[0], frames[-1])
        low, high = bisect_left(self._order, first), bisect_right(self._order, last)
        if len(frames) <= high - low:
            singles: Iterable[int] = (frame for frame in frames if frame in self._singles)
        else:
            singles = (frame for frame in self._order[low:high] if frame in frames)
        for frame in singles:
            yield from self._singles[frame]
        for bits, spans in self._spans.items():
            start = bisect_left(spans, first - (1 << bits), key=lambda span: span[0])
            for span in spans[start : bisect_right(spans, last, key=lambda span: span[0])]:
                if meet(frames, span[2]):
                    yield span[3]


def frames_of(name: str) -> list[Sequence[int]]:
    """Each range of a comma list; empty for what is no range."""
    parts = [frameset(part.strip()) for part in name.split(",")]
    return parts if all(parts) else []


def _number(name: str) -> int | None:
    """A name that is one plain frame, as most are, without the reading that a range takes."""
    return int(name) if len(name) <= MOST_DIGITS and name.isascii() and name.isdecimal() else None


def meet(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two evenly spaced runs of frames share one, however long they are."""
    (low, high, step), (low2, high2, step2) = _run(one), _run(other)
    common = gcd(step, step2)
    if (low2 - low) % common:
        return False
    apart = step2 // common
    ahead = ((low2 - low) // common * pow(step // common, -1, apart)) % apart if apart > 1 else 0
    shared, every = low + step * ahead, step * apart
    least = max(low, low2)
    shared += -(-(least - shared) // every) * every
    return shared <= min(high, high2)


def _run(frames: Sequence[int]) -> tuple[int, int, int]:
    step = abs(frames[1] - frames[0]) if len(frames) > 1 else 1
    return min(frames[0], frames[-1]), max(frames[0], frames[-1]), step
