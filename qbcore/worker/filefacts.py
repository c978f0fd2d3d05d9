"""What files are: size in bytes and time of the last change, None of what is no plain file.

Also a program of its own, which a worker starts where a job's account is another than its own: it reads {"paths",
"who"} as JSON from standard input, becomes that account, and writes the facts as a JSON list. The account need not be
able to read this file.
"""

from __future__ import annotations

import json
import os
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


def become(user: int, group: int, groups: list[int]) -> None:
    """This process is that account's from now on, for good."""
    os.setgroups(groups)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    become(*asked["who"])
    json.dump(facts(asked["paths"]), sys.stdout)
