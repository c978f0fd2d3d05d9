"""All frames of a job for the grid: names packed as runs, and what changed between two state strings."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

MERGE = 8  # unchanged letters that are sent along rather than begin a new run


def version(states: str) -> str:
    """A short mark of a state string: the page says which one it has."""
    return f"{crc32(states.encode()):08x}"


def pack_names(names: Sequence[str]) -> list[str | list[int]]:
    """Names as [first, step, count] where they are evenly spaced numbers, else as they are, in order.

    10,000 frames numbered from 1001 are one entry.
    """
    packed: list[str | list[int]] = []
    for name in names:
        number = int(name) if name.isdecimal() and len(name) < 10 and str(int(name)) == name else None
        if number is None:
            packed.append(name)
        elif not packed or not _extend(packed[-1], number):
            packed.append([number, 1, 1])
    return packed


def _extend(run: str | list[int], number: int) -> bool:
    """Adds the number to the run if it continues it; a run of one takes any step."""
    if isinstance(run, str):
        return False
    first, step, count = run
    if count == 1 and number != first:
        run[1:] = [number - first, 2]
        return True
    if count > 1 and number == first + step * count:
        run[2] = count + 1
        return True
    return False


def changes(old: str, new: str) -> list[tuple[int, str]] | None:
    """What to write over *old* to get *new*: (position, letters). None when a fresh string says it better."""
    if len(old) != len(new):
        return None
    runs: list[tuple[int, int]] = []
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            if runs and at - runs[-1][1] <= MERGE:
                runs[-1] = (runs[-1][0], at + 1)
            else:
                runs.append((at, at + 1))
    cost = sum(end - start + MERGE for start, end in runs)
    return None if cost > len(new) > 0 else [(start, new[start:end]) for start, end in runs]
