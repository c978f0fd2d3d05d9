"""Worker hosts as pages show them: what they have, what is taken, what runs on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, FloatField, Max, Q, Sum, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Greatest

from qbcore import locks
from qbcore.errors import NotFound
from qbcore.listing.frames import AttemptLine, attempt_line
from qbcore.models import AttemptRow, GrantRow, HostRow
from qbcore.states import HostState
from qbcore.writing import clock

SLOTS = "host.processors"
MOST = 2000


@dataclass(frozen=True, slots=True)
class HostLine:
    """One host. Memory in MB; `cpu` is a share from 0 to 1; `state` is the one word that a page shows for it."""

    id: int
    name: str
    state: str
    locked: bool
    banned: bool
    lock_slots: int
    calendar: str
    drain: str
    protocol: int
    facts: dict[str, Any]
    slots: int
    used: int
    cpu: float
    memory: int
    memory_used: float
    running: tuple[AttemptLine, ...]
    groups: str
    cluster: str
    reason: str
    seen: datetime | None
    address: str
    os: str
    version: str
    jobs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Farm:
    """The farm in a few numbers."""

    slots: int
    used: int
    running: int
    failed_last_hour: int
    states: dict[str, int]


def every(*, limit: int = MOST) -> list[HostLine]:
    """All hosts, those that are not simply active first, then by name. Three queries."""
    lines = _lines(HostRow.objects.order_by("name")[:limit])
    return sorted(lines, key=lambda host: (host.state == HostState.ACTIVE, host.name))


def some(ids: Iterable[int]) -> list[HostLine]:
    return _lines(HostRow.objects.filter(pk__in=list(ids)))


def one(host: int) -> HostLine:
    """Raises NotFound."""
    found = some([host])
    if not found:
        raise NotFound(f"There is no host {host} on this farm.")
    return found[0]


def newest() -> int:
    return int(HostRow.objects.aggregate(last=Max("id"))["last"] or 0)


def newer(than: int, *, limit: int = 1000) -> list[int]:
    """Ids of hosts that joined after the host *than*."""
    return list(HostRow.objects.filter(pk__gt=than).order_by("-id").values_list("id", flat=True)[:limit])


def past(host: int, *, limit: int = 50) -> list[AttemptLine]:
    """The host's last attempts that have ended and were started within a day, newest first."""
    grants = GrantRow.objects.filter(host_id=host).order_by("-id").values_list("id", flat=True)[:limit]
    rows = AttemptRow.objects.filter(grant_id__in=list(grants), ended__isnull=False).order_by("-ended")
    return [attempt_line(row) for row in rows[:limit]]


def farm(now: datetime) -> Farm:
    """Totals of all hosts and what failed in the hour before *now*. Four queries, added up by the database."""
    states: dict[str, int] = defaultdict(int)
    slots = 0
    for group in _alike():
        count, open_slots = group.pop("count"), group.pop("open_slots")
        word = _word(HostRow(**group), now)
        states[word] += count
        slots += int(open_slots or 0) if word == HostState.ACTIVE else 0
    taken = GrantRow.objects.filter(ended__isnull=True).aggregate(all=Sum(_number("taken", SLOTS)))
    hour = Q(ending="failed", ended__gte=now - timedelta(hours=1))
    return Farm(
        slots=slots,
        used=int(taken["all"] or 0),
        running=AttemptRow.objects.filter(ended__isnull=True).count(),
        failed_last_hour=AttemptRow.objects.filter(hour).count(),
        states=dict(states),
    )


def _alike() -> list[dict[str, Any]]:
    """Hosts whose word follows from the same columns, with how many they are and the slots that are not locked."""
    kept = ("state", "banned", "locked", "calendar", "drain", "protocol")
    left = Greatest(_number("totals", "processors") - F("lock_slots"), Value(0.0))
    return list(HostRow.objects.order_by().values(*kept).annotate(count=Count("id"), open_slots=Sum(left)))


def _number(column: str, key: str) -> Cast:
    return Cast(KeyTextTransform(key, column), FloatField())


def _word(host: HostRow, now: datetime) -> str:
    """Down says more than locked: nobody can use the host, whatever else is true of it."""
    if host.state != HostState.ACTIVE:
        return host.state
    if host.banned:
        return "banned"
    return "locked" if locks.closed(host, now) else host.state


def _lines(rows: Iterable[HostRow]) -> list[HostLine]:
    hosts = list(rows)
    grants: dict[int, list[GrantRow]] = defaultdict(list)
    for grant in GrantRow.objects.filter(host_id__in=[host.id for host in hosts], ended__isnull=True).order_by("id"):
        grants[grant.host_id].append(grant)
    running: dict[int, list[AttemptLine]] = defaultdict(list)
    for row in AttemptRow.objects.filter(
        grant_id__in=[grant.id for held in grants.values() for grant in held], ended__isnull=True
    ).order_by("id"):
        running[row.host_id].append(attempt_line(row))
    now = clock()
    return [_line(host, grants[host.id], running[host.id], now) for host in hosts]


def _line(row: Any, grants: list[GrantRow], running: list[AttemptLine], now: datetime) -> HostLine:
    return HostLine(
        id=row.id,
        name=row.name,
        state=_word(row, now),
        locked=row.locked,
        banned=row.banned,
        lock_slots=row.lock_slots,
        calendar=row.calendar,
        drain=row.drain,
        protocol=row.protocol,
        facts=row.facts,
        slots=int(row.totals.get("processors", 0)),
        used=sum(int(grant.taken.get(SLOTS, 0)) for grant in grants),
        cpu=row.load_cpu,
        memory=int(row.totals.get("memory", 0)),
        memory_used=row.load_memory,
        running=tuple(running),
        groups=row.groups,
        cluster=row.cluster,
        reason=locks.why(row, now),
        seen=row.seen,
        address=row.address,
        os=row.os,
        version=row.version,
        jobs=tuple(sorted({grant.job_id for grant in grants})),
    )
