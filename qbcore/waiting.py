"""The waiting jobs of the farm, kept by each process for a moment.

A pool that is behind costs nothing but a try, because placing and claiming are conditional.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
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
        self._read = self._full = -math.inf
        self._told: deque[int] = deque()
        self._everything = True
        self._seen: dict[int, datetime] = {}

    def expire(self, hint: events.Hint | None = None) -> None:
        """Jobs have changed: look at them, or at all that changed when nobody says which, before the next pick."""
        ids = hint["ids"] if hint else None
        if ids:
            self._told.extend(ids)
        else:
            self._everything = True

    def reload(self) -> None:
        """What was started has been rolled back: read everything before the next pick."""
        self._full = -math.inf

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
            if not started:
                self._seen.pop(job, None)

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
        """Reads the jobs that are said to have changed, and now and then what has changed without being told."""
        now = time.monotonic()
        if self._until is None or now - self._full > FULL:
            self._reload(now)
        elif self._everything or now - self._read >= OLDEST:
            self._look(now, self._until)
        elif self._told:
            self._take(self._named())

    def _named(self) -> set[int]:
        """The jobs that hints named since the last time; hints come from other threads meanwhile."""
        return {self._told.popleft() for _ in range(len(self._told))}

    def _look(self, now: float, until: datetime) -> None:
        """What is newer than what was read, with an overlap for transactions that were slow to commit."""
        self._read, self._everything = now, False
        named = self._named()
        newer = views.newer(until - OVERLAP)
        self._seen = {job: updated for job, updated in self._seen.items() if job in newer}
        self._take(named.union(job for job, updated in newer.items() if self._seen.get(job) != updated))

    def _take(self, jobs: set[int]) -> None:
        """Reads these jobs; those that are not there any more leave."""
        found = views.named(jobs) if jobs else []
        for gone in (jobs & self._known.keys()).difference(one.id for _, one in found):
            self._keep(replace(self._known[gone], wanted=0))
        for row, one in found:
            self._keep(one)
            self._seen[one.id] = row.updated
            self._until = max(self._until or row.updated, row.updated)

    def _reload(self, now: float) -> None:
        """Everything that is ready; removed jobs leave this way."""
        self._read = self._full = now
        self._everything, self._seen = False, {}
        self._named()
        newest = JobRow.objects.order_by("-updated").values_list("updated", flat=True).first()
        found = views.candidates(JobRow.objects.filter(status__in=READY, s_pending__gt=0))
        found += views.candidates(_growing())
        self._known = {one.id: one for _, one in found if one.wanted > 0}
        self._sharing = {one.id for one in self._known.values() if _shares(one)}
        self._pool.load(self._known.values())
        self._until = newest


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
