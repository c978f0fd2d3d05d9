"""Sets of positions as runs of neighbours: how a bulk run keeps 100,000 frames in a line. Pure words."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from qbcore.errors import Invalid

Spans = list[tuple[int, int]]
_SPAN = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


def of(positions: Iterable[int]) -> Spans:
    """Runs of neighbours, each (first, last), out of ascending positions."""
    found: Spans = []
    for pos in positions:
        if found and pos == found[-1][1] + 1:
            found[-1] = (found[-1][0], pos)
        else:
            found.append((pos, pos))
    return found


def text(spans: Iterable[tuple[int, int]]) -> str:
    """'0-99,105'."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in sorted(spans))


def first(text: str) -> int:
    """The first position of what `text` wrote, which is not empty, without reading the rest."""
    return int(text.partition(",")[0].partition("-")[0])


def last(text: str) -> int:
    return int(text.rpartition(",")[2].rpartition("-")[2])


def parse(given: str) -> Spans:
    """The inverse of `text`; ranges may come in any order and overlap. Raises Invalid."""
    return joined(_span(part.strip()) for part in filter(None, given.split(",")))


def joined(given: Iterable[tuple[int, int]]) -> Spans:
    """Runs in any order, that may overlap, as runs of neighbours."""
    found: Spans = []
    for first, last in sorted(given):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _span(part: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(part)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise Invalid(f"{part[:60]!r} is no range of positions", field="positions", hint="Write 0-99,105.")
    return first, last


def positions(spans: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, last in spans:
        yield from range(first, last + 1)


def size(spans: Iterable[tuple[int, int]]) -> int:
    """How many positions there are."""
    return sum(last - first + 1 for first, last in spans)


def after(spans: Spans, pos: int) -> Spans:
    """What of them, in order, lies behind *pos*."""
    start = bisect_right(spans, pos, key=lambda span: span[1])
    left = spans[start:]
    return [(max(left[0][0], pos + 1), left[0][1]), *left[1:]] if left else []


def slices(spans: Iterable[tuple[int, int]], most: int) -> Iterator[Spans]:
    """The same positions in order, in parts of at most *most*."""
    part: Spans = []
    room = most
    for first, last in spans:
        while first <= last:
            end = min(last, first + room - 1)
            part.append((first, end))
            room -= end - first + 1
            first = end + 1
            if not room:
                yield part
                part, room = [], most
    if part:
        yield part
