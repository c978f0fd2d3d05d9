"""How much memory the processes of long frames hold together, looked at now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from qbcore.worker.lineage import Lineage
from qbcore.worker.process import Process

EVERY = 1.0  # seconds of running before the first look, and at least between two looks
_SHARE = 0.01  # of a processor that looking may cost on a host with many processes


class Usage:
    """One look serves all frames. Times are monotonic seconds. What is too short to be seen costs nothing."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._next = -math.inf

    def due(self, processes: Iterable[Process]) -> float:
        """When to look; infinity when nothing runs."""
        first = min((process.started for process in processes), default=math.inf)
        return max(self._next, first + EVERY)

    def tick(self, processes: list[Process], now: float) -> None:
        if self.due(processes) > now:
            return
        families = self._lineage.look()
        for process in processes:
            process.saw(sum(seen.rss for seen in families.get(process.leader.pid, ())))
        cost = time.monotonic() - now
        self._next = now + max(EVERY, cost / _SHARE)
