"""Range functions for long ranges: `python bench/ranges.py`. Processor seconds, median of five."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from qbcore.ranges import genframes, rangejoin, rangesplit


def cost(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return time.process_time() - before


def main() -> None:
    frames = rangesplit("1-1000000")
    rows: list[tuple[str, Callable[[], object]]] = [
        ("rangesplit, a million frames", lambda: rangesplit("1-1000000")),
        ("rangejoin, a million frames", lambda: rangejoin(frames)),
        ("genframes, an agenda of 100,000", lambda: genframes("1-100000")),
    ]
    for name, act in rows:
        print(f"{name:36} {statistics.median(cost(act) for _ in range(5)):8.3f} s")


if __name__ == "__main__":
    main()
