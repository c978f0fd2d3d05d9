"""Processes that even KILL did not end: nobody waits for them any more, and the host says so while they are there."""

from __future__ import annotations

from collections.abc import Iterable

from qbcore.worker.groups import look


class Undying:
    """Those that were given up, each by its number and when it was started: a number comes again."""

    def __init__(self) -> None:
        self._started: dict[int, int] = {}

    def add(self, pids: Iterable[int]) -> None:
        self._started.update({seen.pid: seen.started for pid in pids if (seen := look(pid)) and seen.alive})

    @property
    def trouble(self) -> str:
        """A sentence for the host's reason while one is left."""
        if not self._started:
            return ""
        self._started = {pid: started for pid, started in self._started.items() if _is_there(pid, started)}
        if not self._started:
            return ""
        return f"the system does not end the processes {', '.join(map(str, sorted(self._started)))}: look at its disks"


def _is_there(pid: int, started: int) -> bool:
    seen = look(pid)
    return seen is not None and seen.alive and seen.started == started
