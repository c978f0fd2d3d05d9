"""Why jobs do not run: the rules of dispatch asked of every host, and summed up in a sentence."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from typing import Any

from django.db import connection
from django.db.models import Min

from qbcore import events, views
from qbcore.candidates import Amounts, Candidate, HostView, Meeting
from qbcore.errors import BadExpression
from qbcore.expressions import Expression, parse
from qbcore.models import HostRow, JobRow, WorkRow
from qbcore.plan import explain, may_start
from qbcore.reservations import parse_reservations, per_subjob
from qbcore.states import Status
from qbcore.values import Facts
from qbcore.writing import clock

KEEP = 1.0
"""Seconds for which what was read of the hosts is good enough for a sentence."""
SLOT = "waits for a free slot on"


@dataclass(slots=True)
class Farm:
    """The hosts and what they share, as they were at one moment; what was found out about jobs since."""

    at: float
    hosts: list[HostView]
    shared: Amounts
    totals: Amounts
    said: dict[tuple[object, ...], str] = field(default_factory=dict)
    known: dict[tuple[int, bool], Facts] = field(default_factory=dict)

    def facts(self, host: HostView, *, emptied: bool) -> Facts:
        """What requirements read of the host as it is, or if nothing ran on it."""
        key = (host.id, emptied)
        if key not in self.known:
            self.known[key] = (host.emptied() if emptied else host).facts()
        return self.known[key]


class _Kept:
    farm: Farm | None = None


def _farm() -> Farm:
    """Read anew each second; inside a transaction always, since it must see its own changes."""
    now = time.monotonic()
    kept = _Kept.farm
    if kept is not None and now - kept.at < KEEP and not connection.in_atomic_block:
        return kept
    farm = Farm(now, views.every_host(clock()), views.shared(), views.shared_totals())
    _Kept.farm = farm
    return farm


def _forget(hint: events.Hint) -> None:
    """Hosts or what they share have changed."""
    _Kept.farm = None


for kind in ("host", "wake"):
    events.at_once(kind, _forget)


def reasons(jobs: Iterable[int]) -> dict[int, str]:
    """A sentence for each of these jobs that waits to be dispatched; jobs that do not wait are absent."""
    ids = list(jobs)
    rows = JobRow.objects.filter(status=Status.PENDING, pk__in=ids)
    farm = _farm()
    return {row.id: _reason(row, found, farm) for row, found in views.candidates(rows)}


def _reason(row: Any, found: Candidate, farm: Farm) -> str:
    if not farm.hosts:
        return "the farm has no worker"
    if not found.wanted and row.n_pending == 0 and row.todo:
        return "all its frames are claimed, blocked or wait for a retry"
    if "job." in found.requirements:
        return _summed(replace(found, wanted=1), farm)
    key = (*(getattr(found, name) for name in _SHAPE), found.id if _is_barred(found, farm) else 0)
    if key not in farm.said:
        farm.said[key] = _summed(replace(found, wanted=1), farm)
    return farm.said[key]


_SHAPE = (
    *("cluster", "requirements", "restrictions", "reservations", "hosts", "groups", "omithosts", "omitgroups"),
    "prototype",
)


def _is_barred(found: Candidate, farm: Farm) -> bool:
    return any(found.id in host.avoid for host in farm.hosts)


def _summed(found: Candidate, farm: Farm) -> str:
    """The one thing that is against it on every host, or each with the number of hosts."""
    lacking = _lacking(found, farm)
    if lacking:
        return lacking
    alike = Alike(found, farm)
    answers: dict[tuple[object, ...], str] = {}
    against: Counter[str] = Counter()
    for host in farm.hosts:
        key = alike.key(host)
        if key not in answers:
            answers[key] = _against(host, found, farm)
        against[answers[key]] += 1
    ready = against.pop("", 0)
    if ready:
        return f"waits for its turn: {_hosts(ready)} can take it"
    return _told(against, found, farm) + (_unknown(found, farm) if "requirements" in against else "")


def _told(against: Counter[str], found: Candidate, farm: Farm) -> str:
    parts = sorted(against.items(), key=lambda part: (part[0] != SLOT, -part[1], part[0]))
    if len(parts) == 1 and parts[0][0] in _ALL:
        return _ALL[parts[0][0]](found, farm)
    return "; ".join(_part(label, count, found) for label, count in parts)


def _unknown(found: Candidate, farm: Farm) -> str:
    """The operands that no host has, or the job has not: more often a slip of the pen than a wish."""
    try:
        names = parse(found.requirements).names
    except BadExpression:
        return ""
    meetings = [Meeting(farm.facts(host, emptied=False), found) for host in farm.hosts]
    lacking = [name for name in names if all(meeting.get(name) is None for meeting in meetings)]
    owners = {"host.": "no host has", "job.": "the job has no"}
    said = (f"{word} {name}" for start, word in owners.items() for name in lacking if name.startswith(start))
    return "".join(f"; {one}" for one in said)


STANDARD = frozenset(
    f"host.{name}"
    for name in (
        *("name", "state", "os", "architecture", "cluster", "groups", "restrictions", "flags", "jobtypes"),
        *("processors", "memory"),
    )
)
"""What every host has."""


def warnings(requirements: Iterable[str]) -> dict[str, str]:
    """For those of the requirements that name facts which no host reports a sentence about them."""
    texts = set(filter(None, requirements))
    strange = {text for text in texts if parse(text).warnings(STANDARD)}
    hosts = list(HostRow.objects.values_list("properties", "totals")) if strange else []
    if not hosts:
        return {}
    known = STANDARD | {f"host.{name.lower()}" for host in hosts for facts in host for name in facts}
    return {text: "; ".join(said) for text in strange if (said := parse(text).warnings(known))}


STANDING = (Status.WAITING, Status.BLOCKED, Status.FAILED)


def standing(rows: Iterable[JobRow]) -> dict[int, str]:
    """A sentence for each of these jobs that waits for retries, has only blocked frames left, or has failed."""
    rows = [row for row in rows if row.status in STANDING]
    due = _due([row.pk for row in rows if row.status == Status.WAITING])
    said = {row.pk: _standing(row, due.get(row.pk)) for row in rows}
    return {job: text for job, text in said.items() if text}


def _due(jobs: list[int]) -> dict[int, int]:
    """Seconds until the first item of each job is tried again."""
    if not jobs:
        return {}
    now = clock()
    items = WorkRow.objects.filter(job_id__in=jobs, status=Status.WAITING).order_by()
    first = items.values_list("job_id").annotate(first=Min("wait_until"))
    return {job: max(1, ceil((due - now).total_seconds())) for job, due in first if due}


def _standing(row: JobRow, due: int | None) -> str:
    if row.status == Status.WAITING:
        return f"waits {due:,} s for retries" if due else ""
    if row.status == Status.FAILED:
        failed, count, unit = row.n_failed, row.todo, "frame"
        if not failed:
            failed, count, unit = row.s_failed, row.cpus, "subjob"
        return f"{failed:,} of {count:,} {unit}{'s' * (count != 1)} failed"
    if row.held or not row.n_blocked:
        return ""
    every = "all its frames" if row.n_blocked == row.todo else "all frames that are left"
    return f"{every} are blocked: unblock them"


class Alike:
    """Which hosts the rules cannot tell apart for one job: of a thousand, few are asked."""

    def __init__(self, found: Candidate, farm: Farm) -> None:
        self._found, self._farm = found, farm
        self._named = bool(found.hosts or found.omithosts)
        try:
            self._asked: Expression | None = parse(found.requirements)
            self._takes = [one.name for one in per_subjob(found.reservations) if one.scope == "host"]
        except BadExpression:
            self._asked, self._takes = None, []

    def key(self, host: HostView) -> tuple[object, ...]:
        """Equal for two hosts where every rule says the same, now and if nothing ran on them."""
        return (
            *(host.state, host.lock, host.banned, host.cluster, host.groups, host.restrictions, host.jobtypes),
            *(host.idle, self._found.id in host.avoid, host.name if self._named else ""),
            *((host.totals.get(name), host.used.get(name, 0)) for name in self._takes),
            *self._holds(host),
        )

    def _holds(self, host: HostView) -> tuple[bool, bool]:
        """Whether the requirements hold on the host as it is, and if nothing ran on it."""
        if self._asked is None:
            return False, False
        holds = self._asked.holds(Meeting(self._farm.facts(host, emptied=False), self._found))
        if not self._asked.dynamic:
            return holds, holds
        return holds, self._asked.holds(Meeting(self._farm.facts(host, emptied=True), self._found))


def _lacking(found: Candidate, farm: Farm) -> str:
    """What the whole farm has too little of."""
    try:
        wanted = parse_reservations(found.reservations)
    except BadExpression as error:
        return f"its reservations cannot be read: {error}"
    for one in wanted:
        if one.scope == "host":
            continue
        if one.resource not in farm.totals:
            return f"the farm has no {one.resource}"
        if farm.shared[one.resource] < one.low:
            needs = f", it needs {one.low}" if one.low > 1 else ""
            return f"{one.resource}: {farm.shared[one.resource]:g} of {farm.totals[one.resource]:g} free{needs}"
    return ""


def _against(host: HostView, found: Candidate, farm: Farm) -> str:
    """A short word for what is against it on this host; empty when nothing is."""
    stop = explain(host, found, farm.shared).stop
    if stop is None:
        return ""
    if stop.name == "host":
        return _closed(host)
    return SLOT if may_start(host.emptied(), found, farm.totals) else stop.name


def _closed(host: HostView) -> str:
    """A short word for a host that takes nothing at all."""
    if host.banned:
        return "banned"
    return host.lock.replace("by its", "by") or "locked" if host.locked and host.state == "active" else host.state


def _place(found: Candidate) -> str:
    said = {"hosts": found.hosts, "groups": found.groups, "omithosts": found.omithosts, "omitgroups": found.omitgroups}
    return ", ".join(f"{name}={text}" for name, text in said.items() if text)


def _none(what: Callable[[Candidate], str], found: Candidate, farm: Farm) -> str:
    return f"no host {what(found)}"


_WORDS: dict[str, Callable[[Candidate], str]] = {
    "type": lambda found: f"runs job type {found.prototype}",
    "place": lambda found: f"fits {_place(found)}",
    "restrictions": lambda found: f"is in the clusters {found.restrictions}",
    "cluster": lambda found: f"takes jobs of cluster {found.cluster or '/'}",
    "past": lambda found: "is left that has not failed it again and again",
    "requirements": lambda found: f"satisfies requirements: {found.requirements}",
    "reservations": lambda found: f"is large enough for {found.reservations or 'one slot'}",
}
_ALL: dict[str, Callable[[Candidate, Farm], str]] = {name: partial(_none, what) for name, what in _WORDS.items()}
_OTHER: dict[str, Callable[[Candidate], str]] = {
    "type": lambda found: f"no job type {found.prototype}",
    "place": lambda found: f"not {_place(found)}",
    "restrictions": lambda found: f"not in the clusters {found.restrictions}",
    "cluster": lambda found: f"take no jobs of cluster {found.cluster or '/'}",
    "past": lambda found: "failed it again and again",
    "requirements": lambda found: f"do not satisfy {found.requirements}",
    "reservations": lambda found: f"too small for {found.reservations or 'one slot'}",
}


def _part(label: str, count: int, found: Candidate) -> str:
    if label == SLOT:
        return f"{SLOT} {_hosts(count)}"
    word = _OTHER[label](found) if label in _OTHER else label
    return f"{_hosts(count)}: {word}"


def _hosts(count: int) -> str:
    return f"{count:,} host{'s' * (count != 1)}"
