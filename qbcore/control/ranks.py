"""From which rank on a long job may have free items, as this process saw last.

Items that are done leave entries behind in the index of pending ones, until PostgreSQL clears them away: a claim that
begins at the first rank walks over all of them. So claims begin where the last one found something. An item may come
back before that place: it is found by the claim that looks at everything, once in FRESH seconds and always before a
grant is told that nothing is left.
"""

from __future__ import annotations

import threading
import time

FRESH = 0.25
"""Seconds for which claims of a process trust the place: so much later an earlier item may have its turn."""
LONG = 1000
"""Items of a job from which on it is worth it."""
MOST = 1000
"""Jobs that are remembered."""


class Ranks:
    """For several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[int, tuple[int, float]] = {}

    def first(self, job: int) -> int:
        """The rank to begin with; 0 looks at everything."""
        rank, until = self._known.get(job, (0, 0.0))
        return rank if time.monotonic() < until else 0

    def found(self, job: int, rank: int, *, begun: int) -> None:
        """A claim that began at *begun* found nothing free before this rank."""
        with self._guard:
            known = self._known.get(job)
            if begun and known is None:
                return  # something came back meanwhile
            until = known[1] if begun and known else time.monotonic() + FRESH
            if known is None and len(self._known) >= MOST:
                self._known.clear()
            self._known[job] = (rank, until)

    def forget(self, job: int) -> None:
        """Items of the job have come back: the next claim looks at everything."""
        with self._guard:
            self._known.pop(job, None)


ranks = Ranks()
