"""How far the running frames are, as their own output says: read once a second, of what was written since."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from qbcore.errors import QubeError
from qbcore.ranges import frameset
from qbcore.renderlines import KEY, Meter, pattern
from qbcore.worker.grants import Attempt, Grant
from qbcore.worker.spool import Spool

EVERY = 1.0  # seconds between two looks, and the age before which a frame is not looked at
READ = 8 * 1024  # bytes of the newest output that are read in one look
SOONEST = 2.0  # seconds between two tellings of one attempt
PART = 20  # of its age after which a later one is told: some twenty times in each doubling of its age
LONGEST_CHUNK = 100_000


@dataclass
class _Follow:
    """One attempt's figure, how far its streams were read, and what was told of it when."""

    meter: Meter
    at: list[int]
    told: int | None = None
    told_at: float = -math.inf

    def due(self, age: float, now: float) -> bool:
        return self.meter.percent != self.told and now - self.told_at >= max(SOONEST, age / PART)


class Progress:
    """Times are monotonic seconds."""

    def __init__(self, tell: Callable[[dict[str, Any]], bool]) -> None:
        """`tell` sends something beside the requests, and says whether it could: then no request needs to carry it."""
        self._following: dict[int, _Follow] = {}
        self._looked = -math.inf
        self._tell = tell
        self._untold: dict[str, int] = {}

    def deadline(self, running: Collection[Any]) -> float:
        """When the next look is due; infinity while nothing runs."""
        return self._looked + EVERY if running else math.inf

    def untold(self) -> dict[str, dict[str, int]]:
        """What the next request is to say."""
        untold, self._untold = self._untold, {}
        return {"progress": untold} if untold else {}

    def look(self, grants: Iterable[Grant], now: float) -> None:
        """Once a second: reads what the frames wrote since, and tells how far those are where it is worth telling."""
        if now - self._looked < EVERY:
            return
        self._looked = now
        running = {grant.running.frame["attempt"]: grant for grant in grants if grant.running}
        self._following = {number: one for number, one in self._following.items() if number in running}
        for number, grant in running.items():
            attempt = grant.running
            age = now - attempt.process.started if attempt else 0.0
            if attempt is None or age < EVERY:
                continue
            follow = self._following.get(number) or self._begin(number, grant, attempt)
            _read(follow, (grant.out, grant.err))
            if follow.meter.percent is not None and follow.due(age, now):
                self._untold[str(number)] = follow.meter.percent
                follow.told, follow.told_at = follow.meter.percent, now
        if self._untold and self._tell({"beat": 1, "progress": self._untold}):
            self._untold = {}

    def _begin(self, number: int, grant: Grant, attempt: Attempt) -> _Follow:
        meter = Meter(_frames(attempt.frame), _own(grant, attempt))
        self._following[number] = _Follow(meter, [attempt.out_from, attempt.err_from])
        return self._following[number]


def _read(follow: _Follow, spools: tuple[Spool, Spool]) -> None:
    """The newest whole lines of both streams; what grew faster than is read is passed over."""
    for index, spool in enumerate(spools):
        size, begin = spool.size(), follow.at[index]
        if size <= begin:
            continue
        start = max(begin, size - READ)
        piece = spool.read(start, size)
        whole = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if whole:
            follow.meter.read(piece[:whole])
            follow.at[index] = start + whole


def _frames(frame: dict[str, Any]) -> int:
    """How many frames its name stands for; a word is one."""
    try:
        return min(len(frameset(str(frame["name"]))), LONGEST_CHUNK) if frame["pos"] >= 0 else 1
    except QubeError:
        return 1


def _own(grant: Grant, attempt: Attempt) -> Any:
    """The job's pattern, else that of its type; None when there is none that can be used."""
    package = {**(grant.job.get("package") or {}), **(attempt.frame.get("package") or {})}
    given = package.get(KEY) or grant.type_pattern
    try:
        return pattern(given, f"package.{KEY}") if given else None
    except QubeError:
        return None
