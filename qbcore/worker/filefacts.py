"""What files are: size in bytes and time of the last change, None of what is no plain file.

Also a program of its own, which a worker starts as a job's account where that is another than its own: it reads a JSON
list of paths from standard input and writes their facts as one.
"""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

Fact = tuple[int, int]


def facts(paths: list[str]) -> list[Fact | None]:
    return [_fact(path) for path in paths]


def _fact(path: str) -> Fact | None:
    try:
        seen = Path(path).stat()
    except (OSError, ValueError):
        return None
    return (seen.st_size, int(seen.st_mtime)) if stat.S_ISREG(seen.st_mode) else None


if __name__ == "__main__":
    json.dump(facts(json.load(sys.stdin)), sys.stdout)
