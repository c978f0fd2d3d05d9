"""Which host a job would rather have: one that asks passes a job over while a better one has room for it."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from qbcore import events, views
from qbcore.candidates import Candidate, HostView
from qbcore.errors import BadExpression
from qbcore.plan import host_order

PATIENCE = 3.0
"""Seconds for which a job waits for the better host."""
FORGET = 10.0


class Passed:
    """Since when this process has passed jobs over."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._first: dict[int, float] = {}

    def waits(self, job: int, now: float) -> bool:
        """Whether the job can wait a little longer. One that was passed over long ago starts anew."""
        with self._guard:
            self._first = {one: first for one, first in self._first.items() if now - first < FORGET}
            return now - self._first.setdefault(job, now) < PATIENCE

    def forget(self, job: int) -> None:
        with self._guard:
            self._first.pop(job, None)


passed = Passed()


def better(host: HostView, candidate: Candidate, now: datetime) -> HostView | None:
    """The host that stands first in the job's hostorder and could start it now, unless this one does."""
    others = [one for one in views.active_hosts(now) if one.id != host.id]
    try:
        first = host_order(candidate, [host, *others], views.shared())[0]
    except (BadExpression, IndexError):
        return None
    return None if first.id == host.id else first


def passes_over(host: HostView, candidate: Candidate | None, now: datetime) -> bool:
    """Whether the host leaves the job to a better one, which is woken; it does so for a few seconds at most."""
    if candidate is None or not candidate.hostorder:
        return False
    other = better(host, candidate, now)
    if other is None or not passed.waits(candidate.id, time.monotonic()):
        passed.forget(candidate.id)
        return False
    events.publish("wake", [other.id])
    return True
