"""Which stream grew when: lines "milliseconds since the grant began, size of out, size of err", the worker's own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from qbcore.logs.files import opened

LARGEST = 16 * 1024 * 1024
"""Bytes of marks that are read; a worker writes far fewer."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Three columns of one length, none of which ever falls."""

    times: list[int] = field(default_factory=list)  # milliseconds
    outs: list[int] = field(default_factory=list)
    errs: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.times)

    def begun(self, out: int, err: int) -> int:
        """The time at which both streams still had these sizes: an attempt that begins there began then."""
        last = min(bisect_right(self.outs, out), bisect_right(self.errs, err)) - 1
        return self.times[last] if last >= 0 else 0

    def within(self, out: tuple[int, int], err: tuple[int, int]) -> range:
        """The marks from the first growth after the ranges' begins to the one that covers their ends."""
        first = min(bisect_right(self.outs, out[0]), bisect_right(self.errs, err[0]))
        last = max(bisect_left(self.outs, out[1]), bisect_left(self.errs, err[1]))
        return range(first, max(first, min(last + 1, len(self))))

    def until(self, out: int, err: int) -> Marks:
        """Those that speak of no byte beyond these sizes: marks may come before what they speak of."""
        count = min(bisect_right(self.outs, out), bisect_right(self.errs, err))
        return self if count == len(self) else Marks(self.times[:count], self.outs[:count], self.errs[:count])

    def cover(self, out: int, err: int) -> bool:
        return bool(self) and self.outs[-1] >= out and self.errs[-1] >= err


def marks_of(file: Path) -> Marks:
    """The marks that have come so far; of an older worker there are none."""
    with opened(file) as log:
        return _read(file, log.size) if log.size else Marks()


@lru_cache(maxsize=16)
def _read(file: Path, size: int) -> Marks:
    """Bytes of a log never change, so one that is as long as before says the same."""
    found = Marks()
    with opened(file) as log:
        for time, out, err in _lines(log.read(0, min(size, LARGEST))):
            found.times.append(time)
            found.outs.append(out)
            found.errs.append(err)
    return found


def _lines(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Whole lines of three numbers that do not fall; whatever else stands there is passed over."""
    last = (0, 0, 0)
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        words = line.split()
        if len(words) == 3 and all(word.isdigit() and len(word) < 19 for word in words):
            now = (int(words[0]), int(words[1]), int(words[2]))
            if all(new >= old for new, old in zip(now, last, strict=True)):
                yield now
                last = now
