"""The supervisor's side of the worker's protocol: docs/worker.md, step by step.

One sync is one transaction under the host's row lock, so requests of one host never overlap, and a repeated one finds
what the first did. What the worker must stop, go on with or forget is read from the rows, never remembered as a
message.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from qbcore import dispatch, events, failures, folding, progress, returning, signs, thumbnails, views, wrangling
from qbcore.control import asking, placed, placements, statements
from qbcore.control.attempts import Report, Said
from qbcore.control.batches import Frame, Held
from qbcore.control.endings import after, finish, unheld
from qbcore.control.flights import UNIT
from qbcore.control.placements import Want
from qbcore.errors import Invalid
from qbcore.jobspec import loops
from qbcore.models import GrantRow, HostRow, JobRow, SubjobRow
from qbcore.permissions import attempt_token
from qbcore.requests import ids_of, report_of, rows_of, shown_of, whole
from qbcore.rousing import rousing
from qbcore.states import Ending, Status
from qbcore.waiting import waiting
from qbcore.writing import writing

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
    heard = signs.heard(host_id, str(body.get("session")), whole(body, "seq"), body.get("load"))
    round_ = Round(host_id, body, heard.at)
    try:
        round_.run()
        if body.get("trouble") or heard.troubled:
            signs.trouble(round_.row, body.get("trouble"))
        if body.get("leaving"):
            signs.goodbye(round_.row, heard.at)
    except Exception:
        waiting.reload()  # what it started goes back with the transaction
        raise
    return round_.answer, round_.failed, round_.back


class Round:
    """One sync of one host: what it says is taken in, then what it is to do is read from the rows."""

    def __init__(self, host: int, body: Mapping[str, Any], now: datetime) -> None:
        self.host, self.body, self.now = host, body, now
        self.held = signs.held_of(body)
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
        here = placed.look(host)
        if self._take_up(here):
            here = placed.look(host)
        self.open, self.placed, self.jobs = here.grants, here.subjobs, here.jobs

    @cached_property
    def row(self) -> HostRow:
        """The whole row, for what few requests need it for; it is locked."""
        return asking.host(self.host, self.now)[0]

    def _take_up(self, here: placed.Placed) -> list[int]:
        """Grants that were given up with this host and that it has still: those that go on are open again."""
        strange = {pk: list(attempts) for pk, attempts in self.held.items() if pk not in here.grants}
        if not strange:
            return []
        for number, line in enumerate(rows_of(self.body, "reports")):
            grant, report = report_of(line, number)
            if grant in strange:
                strange[grant].append(report.attempt)
        return returning.take_up(self.row, {pk: some for pk, some in strange.items() if pk not in self.gone}, self.now)

    def run(self) -> None:
        if "facts" in self.body:
            returning.restate(self.row, self.body["facts"], self.now)
        self._reports()
        self._gone()
        self._items()
        self._frames()
        self._orders()
        if self.back:
            self.answer["next"] = 0  # what came back has its turn once the fold has counted it
        elif self.body.get("room") or (self.body.get("room_if_over") and self.answer["over"]):
            self._starts()
        if self.body.get("shown") and (wrote := thumbnails.wrote(self.host, shown_of(self.body))):
            self.answer["wrote"] = wrote
        if not self.open and self.row.drain and (asked := returning.asked(self.row)):
            self.answer["asked"] = asked
        for job in self.touched:
            folding.soon(job)
        if self.touched:
            events.publish("work", self.touched)
            events.publish("host", [self.host])

    def _reports(self) -> None:
        """Groups the reports by job; one whose grant is not this host's is refused whole."""
        said = [report_of(line, number) for number, line in enumerate(rows_of(self.body, "reports"))]
        if not said:
            return
        grants = self._grants_of({grant for grant, _ in said})
        grouped: dict[int, list[tuple[GrantRow, Report]]] = defaultdict(list)
        for grant, report in said:
            grouped[grants[grant].job_id].append((grants[grant], report))
            if report.pos != UNIT:
                self.recent[grant] = max(report.seconds, self.recent.get(grant, 0.0))
        for job in sorted(grouped):
            self._finish(job, grouped[job])
        if self.failed or any(report.pos == UNIT or report.reason == "timelimit" for _, report in said):
            self.placed = placed.look(self.host).subjobs  # some have left their place, or are to
        self.answer["accepted"] = [report.attempt for _, report in said]

    def _grants_of(self, named: set[int]) -> Mapping[int, GrantRow]:
        closed = [pk for pk in named if pk not in self.open]
        rows = GrantRow.objects.filter(pk__in=closed, host_id=self.host) if closed else ()
        known = {**self.open, **{row.pk: row for row in rows}}
        foreign = min((pk for pk in named if pk not in known), default=None)
        if foreign is not None:
            raise Invalid(f"grant {foreign} is not on host {self.row.name}", field="reports")
        return known

    def _finish(self, pk: int, said: Said) -> None:
        job = self.jobs.get(pk) or JobRow.objects.filter(pk=pk).first()
        if job is None:  # removed meanwhile: its attempts still learn how they ended
            job = JobRow(pk=pk, name="", user="")
        failed = finish(job, said, now=self.now)
        if job.prototype and wrangling.watches(job):
            wrangling.note(self.row, job, [report for _, report in said], set(failed), self.now)
        self.failed += failed
        self.touched.add(pk)

    def _gone(self) -> None:
        """Grants whose processes are gone, and those whose start the worker never heard of."""
        lost = [pk for pk in self.open if pk not in self.held and pk not in self.gone]
        if not (lost or self.gone):
            return
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
        found = statements.acts().held(list(self.open)) if self.open else []
        mine = [row for row in found if not self._loops(row.job)]
        self._units()
        unheld = {row.grant for row in mine if row.attempt not in self.held[row.grant]}
        for pk in sorted(unheld):
            signs.give_back_unheld(self.open[pk], self.held[pk], Ending.INTERRUPTED, self.now)
            self.touched.add(self.open[pk].job_id)
        mine = [row for row in mine if row.attempt in self.held[row.grant]]
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

    def _started(self, reserved: list[Held]) -> None:
        """Of the reserved items those run whose process has started; the others' reservations go on."""
        running = set(ids_of(self.body, "running"))
        started: dict[int, list[Held]] = defaultdict(list)
        for row in reserved:
            if row.attempt in running:
                started[row.job].append(row)
        for job in sorted(started):
            grants = [self.open[pk] for pk in sorted({row.grant for row in started[job]})]
            placements.start(self.jobs[job], grants, [row.attempt for row in started[job]], now=self.now)
            self.touched.add(job)
        placements.keep([row for row in reserved if row.attempt not in running], now=self.now)

    def _compare(self, mine: list[Held]) -> None:
        """Which grants are busy, and which attempts the worker holds that are not its own any more."""
        self.busy: dict[int, list[int]] = defaultdict(list)
        for row in mine:
            self.busy[row.grant].append(row.attempt)
        for unit in self.placed.values():
            if unit.attempt_id:
                self.busy[unit.grant_id or 0].append(unit.attempt_id)
        own = {one for attempts in self.busy.values() for one in attempts} | set(self.answer["accepted"])
        self.answer["drop"] = [one for attempts in self.held.values() for one in attempts if one not in own]

    def _frames(self) -> None:
        """More frames for the grants that want some, those of one job together; what has nothing left is over."""
        feeding: dict[int, list[GrantRow]] = defaultdict(list)
        for pk in dict.fromkeys(self.wanting):
            grant, subjob = self.open.get(pk), self.placed.get(pk)
            if grant is None:
                continue
            if subjob is None and not self.busy[pk]:
                self._close(grant)
            elif subjob and subjob.status == Status.RUNNING and not subjob.attempt_id:  # not busy with its own step
                feeding[grant.job_id].append(grant)
        for job in sorted(feeding):
            self._feed(self.jobs[job], feeding[job])

    def _close(self, grant: GrantRow) -> None:
        placements.close([grant], Ending.COMPLETE, now=self.now)
        self.answer["over"].append(grant.pk)
        self._forget([grant.pk])

    def _feed(self, job: JobRow, grants: list[GrantRow]) -> None:
        """More frames for grants of one job; when there are none and nothing of a grant runs, it is over."""
        shun = views.shuns(job, self.host, self.now)
        given: dict[int, list[Frame]] = {}
        wants: list[Want] = []
        for grant in grants:
            count = self._count(job, grant, wants)
            if count > 0 and placements.has_step(job, grant):
                given[grant.pk] = placements.claim_step(job, grant, now=self.now)
            elif count > 0:
                wants.append(Want(grant, count, 0 if self.busy[grant.pk] else 1))
        if wants:
            given |= placements.claim_frames(job, wants, now=self.now, shun=shun)
        for grant in grants:
            self._fed(job, grant, given.get(grant.pk, []))

    def _fed(self, job: JobRow, grant: GrantRow, frames: list[Frame]) -> None:
        busy, subjob = self.busy[grant.pk], self.placed[grant.pk]
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

    def _count(self, job: JobRow, grant: GrantRow, wants: list[Want]) -> int:
        """How many more frames the grant may hold, beside what the job's other grants here are about to get."""
        if self.placed[grant.pk].asked:
            return 0
        wanted = dispatch.batch(job, self.recent.get(grant.pk))
        if wanted > 1:
            beside = sum(len(self.busy[pk]) for pk, one in self.open.items() if one.job_id == job.pk and pk != grant.pk)
            beside += sum(want.count for want in wants)
            wanted = min(wanted, max(1, wrangling.trusted(job, self.host) - beside))
        return wanted - len(self.busy[grant.pk])

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
        self.answer["filled"] = True
        self.row, barred = asking.host(self.host, self.now)  # reports may have changed what it is given
        jobs = asking.jobs(self.jobs)  # duties read other columns too
        given = dispatch.starts(self.row, barred, list(self.open.values()), jobs, now=self.now)
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
    return {**frame._asdict(), "token": attempt_token(frame.attempt, job.id)}
