"""The supervisor's side of the worker's protocol: docs/worker.md, step by step.

One sync is one transaction under the host's row lock, so requests of one host never overlap, and a repeated one finds
what the first did. What the worker must stop, go on with or forget is read from the rows, never remembered as a
message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from qbcore import dispatch, events, failures, folding, hosts, progress, returning, views, wrangling
from qbcore.control import placements
from qbcore.control.attempts import Report
from qbcore.control.endings import after, finish, unheld
from qbcore.control.flights import UNIT
from qbcore.control.placements import RESERVED_SECONDS, Frame
from qbcore.errors import Invalid
from qbcore.jobspec import loops
from qbcore.models import GrantRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.permissions import attempt_token
from qbcore.requests import ids_of, report_of, rows_of, whole
from qbcore.rousing import rousing
from qbcore.states import PLACED, Ending, Status
from qbcore.waiting import waiting
from qbcore.writing import clock, locked, writing

SOON = 0.5
"""Seconds until a host that passed a job over asks again."""
JOB_FIELDS = [
    "name",
    "prototype",
    "package",
    "env",
    "cwd",
    "user",
    "pgrp",
    "cpus",
    "timelimit",
    "agenda_timelimit",
    "kind",
    "flags",
]


def sync(host_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """One round of the conversation; what failed is explained from its log after the commit."""
    told = progress.read(body.get("progress") or {})
    answer, failed, back = _sync(host_id, body)
    failures.explain(failed)
    if told:
        progress.store({host_id: told})
    for job in back:
        folding.fold(job)
    return answer


@writing
def _sync(host_id: int, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[int], list[int]]:
    now = clock()
    host = hosts.speak(host_id, str(body.get("session")), whole(body, "seq"), now, body.get("load"))
    round_ = Round(host, body, now)
    try:
        round_.run()
        hosts.trouble(host, body.get("trouble"))
        if body.get("leaving"):
            hosts.goodbye(host, now)
    except Exception:
        waiting.reload()  # what it started goes back with the transaction
        raise
    return round_.answer, round_.failed, round_.back


class Round:
    """One sync of one host: what it says is taken in, then what it is to do is read from the rows."""

    def __init__(self, host: HostRow, body: Mapping[str, Any], now: datetime) -> None:
        self.host, self.body, self.now = host, body, now
        self.held = hosts.held_of(body)
        self.wanting = ids_of(body, "want")
        self.gone = ids_of(body, "gone")
        self.failed: list[int] = []
        self.back: list[int] = []
        self.touched: set[int] = set()
        self.recent: dict[int, float] = {}
        self.answer: dict[str, Any] = {
            "starts": [], "frames": {}, "orders": {}, "drop": [], "over": [], "accepted": [],
            "next": rousing.patience(busy=bool(self.held)),
        }  # fmt: skip
        self.open = self._open()
        if self._take_up():
            self.open = self._open()
        self._look()
        self.jobs = {row.pk: row for row in JobRow.objects.filter(pk__in={row.job_id for row in self.open.values()})}

    def _open(self) -> dict[int, GrantRow]:
        return {row.pk: row for row in GrantRow.objects.filter(host_id=self.host.pk, ended__isnull=True)}

    def _take_up(self) -> list[int]:
        """Grants that were given up with this host and that it has still: those that go on are open again."""
        strange = {pk: list(attempts) for pk, attempts in self.held.items() if pk not in self.open}
        if not strange:
            return []
        for number, line in enumerate(rows_of(self.body, "reports")):
            grant, report = report_of(line, number)
            if grant in strange:
                strange[grant].append(report.attempt)
        return returning.take_up(self.host, {pk: some for pk, some in strange.items() if pk not in self.gone}, self.now)

    def _look(self) -> None:
        """Which subjobs are placed here, locked before any work is."""
        rows = locked(SubjobRow.objects.filter(host_id=self.host.pk, status__in=PLACED)).order_by("job_id", "idx")
        self.placed = {row.grant_id: row for row in rows}

    def run(self) -> None:
        if "facts" in self.body:
            returning.restate(self.host, self.body["facts"], self.now)
        self._reports()
        self._gone()
        self._items()
        self._frames()
        self._orders()
        if self.back:
            self.answer["next"] = 0  # what came back has its turn once the fold has counted it
        elif self.body.get("room"):
            self._starts()
        if self.host.drain and not self.open and (asked := returning.asked(self.host)):
            self.answer["asked"] = asked
        for job in self.touched:
            folding.soon(job)
        if self.touched:
            events.publish("work", self.touched)
            events.publish("host", [self.host.pk])

    def _reports(self) -> None:
        """Groups the reports by grant; one whose grant is not this host's is refused whole."""
        grouped: dict[int, list[Report]] = defaultdict(list)
        for number, line in enumerate(rows_of(self.body, "reports")):
            grant, report = report_of(line, number)
            grouped[grant].append(report)
        closed = GrantRow.objects.filter(pk__in=[pk for pk in grouped if pk not in self.open], host_id=self.host.pk)
        known = {**self.open, **{row.pk: row for row in closed}}
        for pk in sorted(grouped):
            if pk not in known:
                raise Invalid(f"grant {pk} is not on host {self.host.name}", field="reports")
            self._finish(known[pk], grouped[pk])
            frames = [report.seconds for report in grouped[pk] if report.pos != UNIT]
            if frames:
                self.recent[pk] = max(frames)
        if grouped:
            self._look()  # a subjob that is its own unit has left its place
        self.answer["accepted"] = [report.attempt for reports in grouped.values() for report in reports]

    def _finish(self, grant: GrantRow, reports: list[Report]) -> None:
        job = self.jobs.get(grant.job_id) or JobRow.objects.filter(pk=grant.job_id).first()
        if job is None:  # removed meanwhile: its attempts still learn how they ended
            job = JobRow(pk=grant.job_id, name="", user="")
        failed = finish(job, grant, reports, now=self.now)
        if job.prototype and wrangling.watches(job):
            wrangling.note(self.host, job, reports, {row.pk for row in failed}, self.now)
        self.failed += [row.pk for row in failed]
        self.touched.add(grant.job_id)

    def _gone(self) -> None:
        """Grants whose processes are gone, and those whose start the worker never heard of."""
        lost = [pk for pk in self.open if pk not in self.held and pk not in self.gone]
        ended = [pk for pk in self.gone if pk in self.open]
        left = {self.open[pk].job_id for pk in ended}
        for pks, ending in ((ended, Ending.INTERRUPTED), (lost, Ending.INTERRUPTED)):
            placements.close([self.open[pk] for pk in pks], ending, now=self.now)
            self._forget(pks)
        waits = SubjobRow.objects.filter(job_id__in=left, status=Status.PENDING)
        self.back = sorted(set(waits.values_list("job_id", flat=True)))

    def _forget(self, pks: list[int]) -> None:
        for pk in pks:
            self.touched.add(self.open.pop(pk).job_id)
            self.placed.pop(pk, None)

    def _items(self) -> None:
        """What the rows give to this host's grants, beside what the worker says it holds: one reading for all of it."""
        rows = WorkRow.objects.filter(grant_id__in=list(self.open))
        found = rows.only("job_id", "pos", "attempt_id", "status", "grant_id")
        mine = [row for row in found if not self._loops(row.job_id)]
        self._units()
        unheld = {row.grant_id for row in mine if row.attempt_id not in self.held[row.grant_id or 0]}
        for pk in sorted(pk for pk in unheld if pk):
            hosts.give_back_unheld(self.open[pk], self.held[pk], Ending.INTERRUPTED, self.now)
            self.touched.add(self.open[pk].job_id)
        mine = [row for row in mine if row.attempt_id in self.held[row.grant_id or 0]]
        self._started([row for row in mine if row.status == Status.PENDING])
        self._compare(mine)

    def _loops(self, job: int) -> bool:
        """Whether the programs of the job ask for items themselves: those live as long as their program's attempt."""
        return job in self.jobs and loops(self.jobs[job].prototype, self.jobs[job].todo)

    def _units(self) -> None:
        for grant, unit in self.placed.items():
            if unit.attempt_id and grant in self.held and unit.attempt_id not in self.held[grant]:
                unheld(unit, now=self.now)
                unit.attempt_id = None

    def _started(self, reserved: list[WorkRow]) -> None:
        """Of the reserved items those run whose process has started; the others' reservations go on."""
        running = set(ids_of(self.body, "running"))
        started: dict[int, list[int]] = defaultdict(list)
        for row in reserved:
            if row.attempt_id in running:
                started[row.grant_id or 0].append(row.attempt_id or 0)
        for pk, attempts in started.items():
            placements.start(self.jobs[self.open[pk].job_id], self.open[pk], attempts, now=self.now)
            self.touched.add(self.open[pk].job_id)
        if len(reserved) > sum(map(len, started.values())):
            until = self.now + timedelta(seconds=RESERVED_SECONDS)
            still = WorkRow.objects.filter(grant_id__in=list(self.open), status=Status.PENDING)
            still.update(reserved_until=until)

    def _compare(self, mine: list[WorkRow]) -> None:
        """Which grants are busy, and which attempts the worker holds that are not its own any more."""
        self.busy: dict[int, list[int]] = defaultdict(list)
        for row in mine:
            self.busy[row.grant_id or 0].append(row.attempt_id or 0)
        for unit in self.placed.values():
            if unit.attempt_id:
                self.busy[unit.grant_id or 0].append(unit.attempt_id)
        own = {one for attempts in self.busy.values() for one in attempts} | set(self.answer["accepted"])
        self.answer["drop"] = [one for attempts in self.held.values() for one in attempts if one not in own]

    def _frames(self) -> None:
        for pk in self.wanting:
            grant, subjob = self.open.get(pk), self.placed.get(pk)
            if grant is None:
                continue
            if subjob is None and not self.busy[pk]:
                self._close(grant)
            elif subjob and subjob.status == Status.RUNNING:
                self._feed(grant, subjob)

    def _close(self, grant: GrantRow) -> None:
        placements.close([grant], Ending.COMPLETE, now=self.now)
        self.answer["over"].append(grant.pk)
        self._forget([grant.pk])

    def _feed(self, grant: GrantRow, subjob: SubjobRow) -> None:
        """More frames for a grant; when there are none and nothing of it runs, it is over."""
        if subjob.attempt_id:
            return  # it is busy with a step of its own
        job, busy = self.jobs[grant.job_id], self.busy[grant.pk]
        count = 0 if subjob.asked else self._batch(job, grant) - len(busy)
        shun = views.shuns(job, self.host.pk, self.now)
        running = 0 if busy else 1
        frames = placements.claim(job, grant, count, now=self.now, running=running, shun=shun) if count > 0 else []
        if not (frames or busy or subjob.asked):
            frames = placements.claim_last(job, grant, now=self.now)
        if frames:
            self.answer["frames"][str(grant.pk)] = [_frame(one, job) for one in frames]
            self.busy[grant.pk] += [one.attempt for one in frames]
            self.touched.add(job.pk)
        elif not busy:
            placements.over(grant, after(job, subjob), now=self.now)
            self.answer["over"].append(grant.pk)
            self._forget([grant.pk])

    def _batch(self, job: JobRow, grant: GrantRow) -> int:
        """How many frames the grant may hold."""
        wanted = dispatch.batch(job, self.recent.get(grant.pk))
        if wanted <= 1:
            return wanted
        beside = sum(len(self.busy[pk]) for pk, one in self.open.items() if one.job_id == job.pk and pk != grant.pk)
        return min(wanted, max(1, wrangling.trusted(job, self.host.pk) - beside))

    def _orders(self) -> None:
        for pk in self.held:
            subjob = self.placed.get(pk)
            if pk in self.answer["over"] or pk in self.gone:
                continue
            if pk not in self.open or subjob is None:
                self.answer["orders"][str(pk)] = "end"
            elif subjob.status == Status.SUSPENDED:
                self.answer["orders"][str(pk)] = "suspend"
            elif subjob.asked:
                self.answer["orders"][str(pk)] = "finish"

    def _starts(self) -> None:
        given = dispatch.starts(self.host, list(self.open.values()), self.jobs, now=self.now)
        if given.soon:
            self.answer["next"] = min(SOON, self.answer["next"])
        for start in given.starts:
            self.touched.add(start.job.pk)
            self.answer["starts"].append(
                {
                    "grant": start.grant.pk,
                    "job": {"id": start.job.pk, **{field: getattr(start.job, field) for field in JOB_FIELDS}},
                    "subjob": start.grant.idx,
                    "slots": int(start.grant.taken.get("host.processors", 1)),
                    "frames": [_frame(one, start.job) for one in start.frames],
                }
            )


def _frame(frame: Frame, job: JobRow) -> dict[str, Any]:
    return {**asdict(frame), "token": attempt_token(frame.attempt, job.pk)}
