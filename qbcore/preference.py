"""Which host a job would rather have: one that asks passes a job over while a better one has room for it."""

from __future__ import annotations

import threading
import time
from datetime import datetime

from qbcore import events, views
from qbcore.candidates import Candidate, HostView
from qbcore.errors import BadExpression
from qbcore.plan import preferred

PATIENCE = 3.0
"""Seconds for which a job waits for the better host."""
FORGET = 60.0
MOST = 20
"""Jobs that one request passes over: each is asked of every other host, while this one's row is locked."""


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


class Rivals:
    """The other hosts, read once for all jobs that one host is about to take."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._hosts: list[HostView] | None = None
        self._left = MOST

    def passes_over(self, host: HostView, candidate: Candidate | None) -> bool:
        """Whether the host leaves the job to a better one, which is woken; it does so for a few seconds at most."""
        if candidate is None or not candidate.hostorder or not self._left:
            return False
        other = self._better(host, candidate)
        if other is None:
            passed.forget(candidate.id)
        if other is None or not passed.waits(candidate.id, time.monotonic()):
            return False
        self._left -= 1
        events.publish("wake", [other.id])
        return True

    def _better(self, host: HostView, candidate: Candidate) -> HostView | None:
        if self._hosts is None:
            self._hosts = [one for one in views.active_hosts(self._now) if one.id != host.id]
        try:
            return preferred(candidate, host, self._hosts, views.shared())
        except BadExpression:
            return None
