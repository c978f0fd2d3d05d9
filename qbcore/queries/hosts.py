"""hostinfo and workerinfo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from qbcore import acting, locks
from qbcore.errors import Invalid
from qbcore.models import GrantRow, HostRow, SubjobRow
from qbcore.objects import Host, Subjob
from qbcore.permissions import need
from qbcore.queries.filters import filtered, stamp, wanted
from qbcore.queries.jobs import subjob_objects
from qbcore.states import PLACED, HostState
from qbcore.views import used_of
from qbcore.writing import clock

HOST_COLUMNS = [
    "name",
    "state",
    "address",
    "macaddress",
    "cluster",
    "groups",
    "restrictions",
    "flags",
    "properties",
    "jobtypes",
    "os",
    "architecture",
]


def hostinfo(
    fields: Iterable[str] = (),
    filters: Mapping[str, Any] | None = None,
    name: Any = None,
    state: Any = None,
    subjobs: bool = False,
) -> list[Host]:
    """Hosts that fit all filters, by name. `state` also takes locked, banned and running (has a running subjob)."""
    need(acting.current(), "see")
    asked, fields = wanted(filters, fields)
    if name is not None:
        asked["name"] = name
    if state is None:
        state = asked.pop("state", None)
    rows = HostRow.objects.order_by("name")
    if state is not None:
        rows = rows.filter(_states(state))
    found = filtered(rows, asked, HOST_COLUMNS)
    grants: dict[int, list[GrantRow]] = defaultdict(list)
    for grant in GrantRow.objects.filter(ended__isnull=True, host_id__in=[row.pk for row in found]):
        grants[grant.host_id].append(grant)
    now = clock()
    hosts = [host_object(row, grants[row.pk], now) for row in found]
    if subjobs or "subjobs" in fields:
        _add_host_subjobs(hosts, found)
    return hosts


def _states(state: Any) -> Q:
    found = Q(pk__in=[])
    for one in state if isinstance(state, (list, tuple, set)) else [state]:
        found |= _state(str(one))
    return found


def _state(word: str) -> Q:
    busy = SubjobRow.objects.filter(status__in=PLACED).values("host_id")
    special = {"locked": Q(locked=True), "banned": Q(banned=True), "running": Q(state=HostState.ACTIVE, pk__in=busy)}
    if word in special:
        return special[word]
    try:
        return Q(state=HostState(word))
    except ValueError:
        known = ", ".join([*HostState, *special])
        raise Invalid(f"{word!r} is no state of a host", field="state", hint=f"Give one of {known}.") from None


def workerinfo(
    fields: Iterable[str] = (), filters: Mapping[str, Any] | None = None, name: Any = None, state: Any = None
) -> list[Host]:
    """As hostinfo, without subjobs."""
    return hostinfo(fields=[one for one in fields or () if one != "subjobs"], filters=filters, name=name, state=state)


def _slots_first(name: str) -> tuple[bool, bool, str]:
    return name != "processors", name != "memory", name


def host_object(row: HostRow, grants: Iterable[GrantRow], now: datetime) -> Host:
    used = used_of(grants)
    names = sorted({*row.totals, *used}, key=_slots_first)  # PostgreSQL keeps no order of keys
    resources = ",".join(f"host.{key}={used.get(key, 0):g}/{row.totals.get(key, 0):g}" for key in names)
    host = Host({key: getattr(row, key) for key in HOST_COLUMNS})
    host |= {
        "id": row.pk,
        "resources": resources,
        "locks": locks.text(row, now),
        "calendar": row.calendar,
        "drain": row.drain,
        "stats": {"cpu": row.load_cpu, "memory": row.load_memory},
        "lastupdate": stamp(row.seen),
        "reason": locks.why(row, now),
    }
    return host


def _add_host_subjobs(hosts: list[Host], rows: list[HostRow]) -> None:
    by_host: dict[int | None, list[Subjob]] = defaultdict(list)
    placed = SubjobRow.objects.filter(status__in=PLACED, host_id__in=[row.pk for row in rows])
    ordered = placed.order_by("job_id", "idx")
    for row, subjob in zip(ordered, subjob_objects(ordered), strict=True):
        by_host[row.host_id].append(subjob)
    for host, known in zip(hosts, rows, strict=True):
        host["subjobs"] = by_host[known.pk]
