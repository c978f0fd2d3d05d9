"""How much room is left on the disk of FARM_DATA, and what the farm does about it before there is none.

Below FARM_DISK_WARN percent it warns; below FARM_DISK_STOP percent, or 500 MB, it takes no new jobs, so that those that
it has can go on; the last 64 MB are not given to logs either: workers keep their output until there is room again.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from qbcore.errors import QubeError

LOOK_AGAIN = 2.0
"""Seconds for which a look at the disk is good enough."""
LEAST = 500_000_000
"""Bytes below which no job is taken, whatever part of the disk that is."""
LAST = 64_000_000
"""Bytes that are left to the database when logs have taken all others."""


class DiskFull(QubeError):  # noqa: N818 -- reads as what happened
    """The farm's disk is full."""

    code = "disk_full"
    status = 507


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the disk that holds FARM_DATA: in all, and free for the farm's account."""

    folder: Path
    total: int
    free: int

    @property
    def percent(self) -> float:
        return 100 * self.free / self.total if self.total else 100.0

    @property
    def is_low(self) -> bool:
        return self.is_short or self.percent < settings.FARM_DISK_WARN

    @property
    def is_short(self) -> bool:
        """Whether new jobs are refused; never when FARM_DISK_STOP is 0."""
        stop = settings.FARM_DISK_STOP
        return stop > 0 and (self.percent < stop or self.free < LEAST)

    @property
    def text(self) -> str:
        return f"{_size(self.free)} ({self.percent:.1f} %) are free in {self.folder}"

    @property
    def advice(self) -> str:
        """Empty while there is room; else a sentence for whoever can make some."""
        if not self.is_low:
            return ""
        effect = "New jobs are refused." if self.is_short else "Soon new jobs will be refused."
        return f"Only {self.text}. {effect} Remove old jobs, set FARM_LOG_DAYS, or give it a larger disk."


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1_000_000_000 else f"{count / 1e6:.0f} MB"


def space() -> Space:
    """What was seen at most two seconds ago."""
    return _seen(Path(settings.FARM_DATA), int(time.monotonic() / LOOK_AGAIN))


@lru_cache(maxsize=2)
def _seen(folder: Path, turn: int) -> Space:
    usage = shutil.disk_usage(folder)
    return Space(folder, usage.total, usage.free)


def need_room_for_jobs() -> None:
    """Raises DiskFull when the farm takes no new jobs."""
    seen = space()
    if seen.is_short:
        raise DiskFull(
            f"The farm takes no new jobs: its disk is nearly full, only {seen.text}. "
            "Remove jobs that are over, or ask the farm's operator to make room."
        )


@contextmanager
def written() -> Iterator[None]:
    """Around the writing of a log: raises DiskFull when the disk does not take it."""
    seen = space()
    if seen.free < min(LAST, seen.total // 20):
        raise DiskFull(f"no log is taken: only {seen.text}")
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no log is taken: the disk of {seen.folder} is full") from error
        raise
