"""The attempt that this process is, if a worker started it: which job, which subjob, how much it has written."""

from __future__ import annotations

import os
import stat
import sys


def own_job() -> int:
    """The id of the job; -1 outside of one."""
    return _number("QBJOBID")


def own_subjob() -> int:
    """The number of the subjob; -1 outside of one."""
    return _number("QBSUBID")


def written() -> dict[str, int]:
    """How many bytes each of its logs holds now: {out, err}; {} where they are no files.

    A worker hands the logs' files down as standard output and error, so their sizes say where an item's part begins
    and ends.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    sizes = {name: _size(number) for name, number in (("out", 1), ("err", 2))}
    return {name: size for name, size in sizes.items() if size is not None}


def _size(number: int) -> int | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else -1
