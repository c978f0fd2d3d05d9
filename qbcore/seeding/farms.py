"""Seeds a farm: hosts first, then jobs placed on them, each in few statements however many there are."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from qbcore.control.placements import attempt_numbers
from qbcore.models import AttemptRow, GrantRow, HistoryRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.seeding import jobs as plans
from qbcore.seeding.hosts import HostPlan
from qbcore.seeding.jobs import Failure, JobPlan
from qbcore.seeding.loading import Loader, number_on
from qbcore.seeding.logfiles import LogFile
from qbcore.states import DONE, PLACED, HostState, Status
from qbcore.writing import writing

BLOCK = 10_000  # attempt numbers asked for at once


def is_empty() -> bool:
    """Whether the farm has no job and no host yet."""
    return not (JobRow.objects.exists() or HostRow.objects.exists())


@dataclass(frozen=True, slots=True)
class Farm:
    """How much was written."""

    hosts: int
    jobs: int
    frames: int
    attempts: int


@dataclass(slots=True)
class Place:
    """A subjob's grant: where it is or was. `log` holds what its failed attempts printed."""

    grant: int
    idx: int
    host: HostPlan
    log: LogFile
    busy_until: datetime


class Seeder:
    """Writes hosts and jobs. *now* is the moment that all of it is told from; *dice* decides what was not planned."""

    def __init__(self, now: datetime, dice: random.Random) -> None:
        self.now, self.dice = now, dice
        self._hosts: dict[str, HostPlan] = {}
        self._open: list[HostPlan] = []
        self._numbers: Iterator[int] = iter(())
        self._grant = (GrantRow.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
        self._loaders = {
            model: Loader(model, numbered=model is not HistoryRow)
            for model in (HostRow, JobRow, SubjobRow, WorkRow, GrantRow, AttemptRow, HistoryRow)
        }

    @writing
    def write(self, hosts: Iterable[HostPlan], jobs: Iterable[JobPlan]) -> Farm:
        """All of it, or nothing."""
        for nth, host in enumerate(hosts):
            host.id, host.free = host.id or nth + 1, host.slots
            self._hosts[host.name] = host
            self._add(HostRow, host.row(self.now, nth))
        self._open = [one for one in self._hosts.values() if one.state == HostState.ACTIVE and not one.locked]
        if not self._open:
            raise ValueError("a seeded farm needs a host that is active and not locked")
        for job in jobs:
            self._job(job)
        for loader in self._loaders.values():
            loader.flush()
        number_on(HostRow, JobRow, GrantRow)
        counts = {model: loader.count for model, loader in self._loaders.items()}
        return Farm(counts[HostRow], counts[JobRow], counts[WorkRow], counts[AttemptRow])

    def _add(self, model: Any, columns: Mapping[str, Any]) -> None:
        self._loaders[model].add(columns)

    def _job(self, plan: JobPlan) -> None:
        statuses = plans.subjobs(plan)
        self._add(JobRow, plans.job_row(plan, statuses, self.now))
        places = [self._place(plan, idx, status) for idx, status in enumerate(statuses)]
        self._work(plan, places, [place for place, one in zip(places, statuses, strict=True) if one in PLACED])
        for idx, status in enumerate(statuses):
            self._subjob(plan, places[idx], status)
        submitted = plans.Told(plan.submitted, plan.user, "submit", f"{plan.todo} frames")
        for told in (submitted, *plan.told):
            self._history(plan, told)

    def _place(self, plan: JobPlan, idx: int, status: Status) -> Place:
        self._grant += 1
        host = self._host(plan, idx, on_it=status in PLACED)
        log = LogFile(plan.id, idx, self._grant)
        return Place(self._grant, idx, host, log, plan.started or plan.submitted)

    def _host(self, plan: JobPlan, idx: int, *, on_it: bool) -> HostPlan:
        """The bad host first; else one that has room, if the subjob is on it now."""
        if plan.bad_host and idx == 0:
            return self._hosts[plan.bad_host]
        for _ in range(40):
            host = self.dice.choice(self._open)
            if not on_it or host.free >= plan.take:
                break
        if on_it:
            host.free -= plan.take
        return host

    def _work(self, plan: JobPlan, places: list[Place], placed: list[Place]) -> None:
        """The frames and the attempts at them."""
        on_hosts = iter(placed)
        for pos, status in enumerate(plans.layout(plan, self.dice)):
            row = {"job_id": plan.id, "pos": pos, "rank": pos, "name": str(plan.first + pos), "status": int(status)}
            row |= {"updated": self.now, "held": int(plan.held) if status == Status.BLOCKED else 0}
            if status in DONE:
                row |= self._done(plan, pos, status, self._worker(plan, pos, status, places))
            elif status in PLACED:
                row |= self._placed(plan, pos, next(on_hosts))
            self._add(WorkRow, row)

    def _worker(self, plan: JobPlan, pos: int, status: Status, places: list[Place]) -> Place:
        if plan.bad_host and status == Status.FAILED and self.dice.random() < 0.88:
            return places[0]
        return places[pos % len(places)]

    def _done(self, plan: JobPlan, pos: int, status: Status, place: Place) -> dict[str, Any]:
        tries = plan.tries if status == Status.FAILED else 1
        why = self.dice.choice(plan.failures) if plan.failures and status == Status.FAILED else None
        spent = 0.0
        for nth in range(tries):
            seconds = round(plan.average * self.dice.uniform(0.6, 1.5), 2)
            self._attempt(plan, pos, status, place, seconds=seconds, nth=nth + 1, why=why)
            spent += seconds
        return {
            "attempts": tries,
            "retries": tries - 1,
            "subjob": place.idx,
            "started": place.busy_until - timedelta(seconds=spent),
            "finished": place.busy_until,
            "seconds": spent,
        }

    def _attempt(
        self, plan: JobPlan, pos: int, status: Status, place: Place, *, seconds: float, nth: int, why: Failure | None
    ) -> int:
        number = next(self._numbers, 0) or self._more_numbers()
        started = place.busy_until
        ended = plans.ended(status, started, seconds)
        row = plans.attempt_row(plan, pos, seconds, started) | ended
        row |= {"id": number, "number": nth, "subjob": place.idx, "grant_id": place.grant}
        row |= {"host_id": place.host.id, "host_name": place.host.name}
        row["max_rss"] = int(self.dice.uniform(0.1, 0.48) * place.host.memory) << 20
        if why or plan.logged:
            row["out_from"], row["out_to"] = place.log.add(pos + plan.first, started, seconds, place.host.name, why)
        if why:
            row |= {"error_line": why.line, "error_key": why.key, "exit_code": why.exit_code, "signal": why.signal}
        self._add(AttemptRow, row)
        place.busy_until = min(started + timedelta(seconds=seconds), self.now)
        return number

    def _more_numbers(self) -> int:
        self._numbers = iter(attempt_numbers(BLOCK))
        return next(self._numbers)

    def _placed(self, plan: JobPlan, pos: int, place: Place) -> dict[str, Any]:
        """A frame that is on a host now, for a part of its time already."""
        began = self.now - timedelta(seconds=plan.average * self.dice.uniform(0.05, 0.95))
        place.busy_until = began
        number = self._attempt(plan, pos, Status.RUNNING, place, seconds=0.0, nth=1, why=None)
        return {
            "attempts": 1,
            "attempt_id": number,
            "grant_id": place.grant,
            "subjob": place.idx,
            "started": began,
        }

    def _subjob(self, plan: JobPlan, place: Place, status: Status) -> None:
        row: dict[str, Any] = {"job_id": plan.id, "idx": place.idx, "status": int(status), "updated": self.now}
        if plan.started and status in PLACED | DONE:
            grant = self._placement(plan, place)
            row |= {"timestart": plan.started, "host_name": place.host.name}
            if status in PLACED:
                row |= {"grant_id": place.grant, "host_id": place.host.id}
            else:
                grant |= {"ended": place.busy_until, "ending": "complete"}
                row |= {"timecomplete": place.busy_until}
            self._add(GrantRow, grant)
            place.log.write()
        elif plan.started and place.busy_until > plan.started:
            self._add(GrantRow, self._former(plan, place))
            place.log.write()
        self._add(SubjobRow, row)

    def _former(self, plan: JobPlan, place: Place) -> dict[str, Any]:
        """The closed grant of a subjob that waits again."""
        return {**self._placement(plan, place), "ended": place.busy_until, "ending": "complete"}

    def _placement(self, plan: JobPlan, place: Place) -> dict[str, Any]:
        return {
            "id": place.grant,
            "job_id": plan.id,
            "idx": place.idx,
            "host_id": place.host.id,
            "host_name": place.host.name,
            "taken": {"host.processors": plan.take},
            "started": plan.started or plan.submitted,
        }

    def _history(self, plan: JobPlan, told: plans.Told) -> None:
        self._add(
            HistoryRow,
            {
                "at": told.at,
                "actor": told.actor,
                "machine": told.machine,
                "verb": told.verb,
                "job_id": plan.id,
                "effect": told.effect,
                "why": told.why,
            },
        )
