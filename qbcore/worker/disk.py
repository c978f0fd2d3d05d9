"""The disk that output waits on: when it is full nothing new starts, and what writes is suspended."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

MB = 1024 * 1024
MOST = 10 * 1024 * MB  # bytes of output that may wait when nobody says otherwise; never more than half of what is free
_RESERVE = 64 * MB  # bytes of the disk, or 2 % of a small one, that are left to others
_ROOM_AGAIN = 0.8  # of the limit: less than this must wait before frames go on
_CALM, _CLOSE = 1.0, 0.1  # seconds between two looks, and when half of the limit is reached
_QUIET = 60.0  # seconds for which the same is not said again: a loud frame may come to the limit every second
_AFTER_ERROR = 5.0  # seconds after a failed write before new work is taken


def default_limit(folder: Path) -> int:
    """Bytes that may wait in this folder."""
    return min(MOST, _free(folder)[0] // 2)


class Disk:
    """`waiting` says how many bytes are not sent yet. Times are monotonic seconds."""

    def __init__(self, folder: Path, waiting: Callable[[], int], limit: int = 0) -> None:
        self.full = False
        self.trouble = ""
        self.waiting = 0
        self._folder = folder
        self._waiting = waiting
        self._limit = limit or default_limit(folder)
        self._next = -math.inf
        self._failed_until = -math.inf
        self._said_at = -math.inf
        self._level = logging.WARNING

    def due(self, *, busy: bool) -> float:
        """When to look; infinity while nothing can change."""
        return self._next if busy or self.full else math.inf

    def look(self, now: float) -> bool:
        """Whether it was time to look."""
        if now < self._next:
            return False
        self.waiting = self._waiting()
        self._judge(now)
        self._next = now + (_CLOSE if self.waiting * 2 >= self._limit else _CALM)
        return True

    def failed(self, error: OSError, now: float) -> None:
        """Something could not be written: no new work for a while."""
        self._failed_until = now + _AFTER_ERROR
        self._tell(f"cannot write to {error.filename or self._folder}: {error.strerror}", now)
        self._next = min(self._next, self._failed_until)

    def _judge(self, now: float) -> None:
        try:
            free, reserve = _free(self._folder)
        except OSError as error:
            self.failed(error, now)
            return
        slack = _ROOM_AGAIN if self.full else 1.0
        if self.waiting >= self._limit * slack:
            self._tell(f"output waits for the supervisor up to the limit of {self._limit // MB} MB", now)
        elif free * slack < reserve:
            self._tell(f"less than {reserve // MB} MB are free on the disk of {self._folder}", now)
        elif now >= self._failed_until and self.full:
            self.full, self.trouble = False, ""
            log.log(self._level, "there is room for output again: frames go on")

    def _tell(self, trouble: str, now: float) -> None:
        if not self.full:
            self._level = logging.WARNING if now - self._said_at >= _QUIET else logging.DEBUG
            log.log(self._level, "%s: no new frames start, and those that write are suspended", trouble)
            self._said_at = now if self._level == logging.WARNING else self._said_at
        self.full, self.trouble = True, trouble


def _free(folder: Path) -> tuple[int, int]:
    """Bytes that are free, and those that are to stay so."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize, min(_RESERVE, status.f_blocks * status.f_frsize // 50)
