"""The waiting jobs of the farm, kept by each process for a moment.

A pool that is behind costs nothing but a try, because placing and claiming are conditional.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from qbcore import events, views
from qbcore.candidates import Candidate, HostView
from qbcore.constants import FLAGS
from qbcore.models import JobRow
from qbcore.plan import Choice
from qbcore.pool import Pool
from qbcore.views import READY

OLDEST = 0.25
OVERLAP = timedelta(seconds=5)
FULL = 15.0
LOOKING = 0.05


class Waiting:
    """The waiting jobs of the farm as this process last read them. For several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pool = Pool()
        self._known: dict[int, Candidate] = {}
        self._sharing: set[int] = set()
        self._until: datetime | None = None
        self._read = self._full = 0.0
        self._expired = True

    def expire(self, hint: events.Hint | None = None) -> None:
        """Jobs have changed: look before the next pick."""
        self._expired = True

    def reload(self) -> None:
        """What was started has been rolled back: read everything before the next pick."""
        self._until, self._expired = None, True

    def pick(self, host: HostView) -> Choice | None:
        """The next job for a host, while what the farm shares is enough for it."""
        with self._guard:
            self._refresh()
            return self._pool.pick(host, self._shared())

    def order(self, host: HostView) -> list[Candidate]:
        """All that the host may start now, the next one first."""
        with self._guard:
            self._refresh()
            return self._pool.order(host, shared=self._shared())

    def wanted(self, most: int) -> int:
        """How many subjobs wait for a host; counted up to *most*."""
        with self._guard:
            self._refresh()
            count = 0
            for one in self._known.values():
                count += one.wanted
                if count >= most:
                    return most
            return count

    def takers(self, hosts: Iterable[HostView], most: int) -> list[int]:
        """Which of these hosts have something to start now, at most so many, and not for longer than a moment."""
        found: list[int] = []
        with self._guard:
            self._refresh()
            shared, until = self._shared(), time.monotonic() + LOOKING
            for host in hosts:
                if len(found) >= most or time.monotonic() > until:
                    break
                if self._pool.pick(host, shared) is not None:
                    found.append(host.id)
        return found

    def known(self, job: int) -> Candidate | None:
        return self._known.get(job)

    def _shared(self) -> dict[str, float]:
        """Read anew for each pick: what others took since would only cost a try, but each of their tries too."""
        return views.shared() if self._sharing else {}

    def used(self, job: int, *, started: bool) -> None:
        """One subjob of the job was started; or none could be, and it waits for the next reading."""
        with self._guard:
            known = self._known.get(job)
            if known is not None:
                self._keep(replace(known, wanted=known.wanted - 1 if started else 0))

    def _keep(self, found: Candidate) -> None:
        self._pool.update(found)
        if found.wanted > 0:
            self._known[found.id] = found
        else:
            self._known.pop(found.id, None)
        if found.wanted > 0 and _shares(found):
            self._sharing.add(found.id)
        else:
            self._sharing.discard(found.id)

    def _refresh(self) -> None:
        """Reads what changed since the last time, with an overlap for transactions that were slow to commit."""
        now = time.monotonic()
        if not self._expired and now - self._read < OLDEST:
            return
        self._expired = False
        self._read = now
        if self._until is None or now - self._full > FULL:
            self._reload(now)
            return
        for row, found in views.candidates(JobRow.objects.filter(updated__gt=self._until - OVERLAP)):
            self._keep(found)
            self._until = max(self._until, row.updated)

    def _reload(self, now: float) -> None:
        """Everything that is ready; removed jobs leave this way."""
        found = views.candidates(JobRow.objects.filter(status__in=READY, s_pending__gt=0))
        found += views.candidates(_growing())
        self._known = {one.id: one for _, one in found if one.wanted > 0}
        self._sharing = {one.id for one in self._known.values() if _shares(one)}
        self._pool.load(self._known.values())
        newest = JobRow.objects.order_by("-updated").values_list("updated", flat=True).first()
        self._until, self._full = newest, now


def _growing() -> QuerySet[JobRow]:
    """Jobs none of whose subjobs waits, and which grow new ones."""
    rows = JobRow.objects.filter(status__in=READY, s_pending=0)
    return rows.annotate(grows=F("flags").bitand(FLAGS["expand"])).filter(grows__gt=0)


def _shares(found: Candidate) -> bool:
    """Whether it takes anything that the whole farm shares."""
    said = found.reservations.lower()
    return "license." in said or "global." in said


waiting = Waiting()
events.at_once("job", waiting.expire)
