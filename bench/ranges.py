"""Range functions for long ranges: `python bench/ranges.py`. Processor seconds, median of five."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure
from qbcore.ranges import genchunks, genframes, rangejoin, rangeorder, rangesplit


def cost(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def figures() -> list[Figure]:
    frames = rangesplit("1-1000000")
    floor = statistics.median(cost(lambda: list(range(1_000_000))) for _ in range(5))
    rows: list[tuple[str, Callable[[], object]]] = [
        ("rangesplit, a million frames", lambda: rangesplit("1-1000000")),
        ("rangejoin, a million frames", lambda: rangejoin(frames)),
        ("genframes, an agenda of a million", lambda: genframes("1-1000000")),
        ("genchunks of ten, a million frames", lambda: genchunks(10, "1-1000000")),
        ("rangeorder binary, a million frames", lambda: rangeorder("binary", "1-1000000")),
    ]
    return [Figure(name, statistics.median(cost(act) for _ in range(5)), floor=floor) for name, act in rows]


if __name__ == "__main__":
    print(HEAD)
    for figure in figures():
        print(figure)
