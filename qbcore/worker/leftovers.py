"""What a worker that was killed left running: found by the mark it bears, its session, the files it writes to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qbcore.worker.groups import (
    GRACE,
    Leader,
    Seen,
    boot,
    by_parent,
    environment_of,
    look,
    outputs_of,
    signal_one,
    with_descendants,
)
from qbcore.worker.lineage import MARK

_PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Traces:
    """What tells a process of an earlier worker: its session, the mark in its environment, where its output goes."""

    sessions: frozenset[int]
    mark: bytes
    files: frozenset[tuple[int, int]]

    def left(self) -> list[Seen]:
        """All of them that are alive, with what descends from them; never this process or those above it."""
        children = by_parent()
        everybody = [seen for some in children.values() for seen in some]
        own = _above(os.getpid(), {seen.pid: seen.parent for seen in everybody})
        roots = [seen for seen in everybody if seen.pid not in own and self._fits(seen)]
        return [seen for seen in with_descendants(roots, children) if seen.alive and seen.pid not in own]

    def _fits(self, seen: Seen) -> bool:
        if seen.session in self.sessions:
            return True
        if any(word.startswith(self.mark) for word in environment_of(seen.pid)):
            return True
        return bool(outputs_of(seen.pid) & self.files)


def traces(leaders: Sequence[Leader], mark: str, spool: Path) -> Traces:
    """Of the worker that kept these records and had its output in this folder."""
    sessions = frozenset(leader.pid for leader in leaders if _is_left(leader))
    files = frozenset((status.st_dev, status.st_ino) for status in (path.stat() for path in spool.iterdir()))
    return Traces(sessions, f"{MARK}={mark}.".encode(), files)


def end_leftovers(traces: Traces) -> int:
    """Ends what an earlier worker left running, within about two graces; how many processes there were.

    What even KILL does not end within that time will not run again.
    """
    asked: dict[tuple[int, int], Seen] = {}
    asked_until = time.monotonic() + GRACE
    while left := traces.left():
        now = time.monotonic()
        for seen in left:
            if (seen.pid, seen.started) not in asked:
                signal_one(seen, signal.SIGTERM, signal.SIGCONT)
            if now >= asked_until:
                signal_one(seen, signal.SIGKILL)
            asked[seen.pid, seen.started] = seen
        if now >= asked_until + GRACE:
            break
        time.sleep(_PAUSE)
    return len(asked)


def _is_left(leader: Leader) -> bool:
    """The leader itself, or its session without it: a number is not given out again while a session bears it."""
    seen = look(leader.pid)
    if leader.boot != boot():
        return False
    return seen is None or leader.earliest <= seen.started <= leader.latest


def _above(pid: int, parents: dict[int, int]) -> set[int]:
    found = {pid}
    while (pid := parents.get(pid, 0)) and pid not in found:
        found.add(pid)
    return found
