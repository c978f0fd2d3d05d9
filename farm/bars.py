"""Progress bars as widths: how many pixels each part of a bar gets. Pure arithmetic; `cells` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 1
LEAST = 2


@dataclass(frozen=True, slots=True)
class Part:
    """One segment: its name, where it starts and how wide it is, in whole pixels."""

    name: str
    x: int
    width: int


def parts(counts: Sequence[tuple[str, int]], width: int, *, least: dict[str, int] | None = None) -> list[Part]:
    """Segments for the counts above 0 in the order given, 1 px apart, filling *width*.

    No segment is narrower than 2 px, or than *least* says for its name: one failed frame of 2,400 can be seen.
    """
    shown = [(name, count) for name, count in counts if count > 0]
    if not shown:
        return []
    floors = [max(LEAST, (least or {}).get(name, LEAST)) for name, _ in shown]
    sizes = _sizes([count for _, count in shown], floors, width - GAP * (len(shown) - 1))
    found, x = [], 0
    for (name, _), pixels in zip(shown, sizes, strict=True):
        found.append(Part(name, x, pixels))
        x += pixels + GAP
    return found


def _sizes(counts: list[int], floors: list[int], room: int) -> list[int]:
    """Shares of *room* in proportion; what the small ones need beyond their share the largest gives."""
    whole = sum(counts)
    sizes = [max(floor, room * count // whole) for count, floor in zip(counts, floors, strict=True)]
    left = room - sum(sizes)
    while left:
        largest = max(range(len(sizes)), key=lambda at: sizes[at] - floors[at])
        change = left if left > 0 else max(left, floors[largest] - sizes[largest]) or left
        sizes[largest] += change
        left -= change
    return sizes


def filled(part: float, whole: float, width: int) -> int:
    """Pixels of a plain load bar: at least 2 for anything above nothing, all of it only when full."""
    if part <= 0 or whole <= 0:
        return 0
    return min(width, max(LEAST, int(width * min(1.0, part / whole))))
