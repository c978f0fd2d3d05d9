"""Jobs of a seeded farm: what was planned of each, and the rows that running it would have left."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from qbcore.states import DONE, LIVE, Ending, Hold, Status, rollup


@dataclass(frozen=True, slots=True)
class Failure:
    """Why frames fail: the line that tells, its group key, and what the log says around it ({frame} stands in it)."""

    line: str
    key: str
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    exit_code: int = 1
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A line of history: when, who, what."""

    at: datetime
    actor: str
    verb: str
    effect: str
    why: str = ""
    machine: bool = False


@dataclass(slots=True)
class JobPlan:
    """A job. `work` counts its frames by status; `layout`, when given, is each one's status.

    `average` is seconds a frame, `take` the processors of a subjob, `tries` how often a frame that failed was tried.
    `logged`: complete frames have logs too, not only those that failed.
    """

    name: str
    user: str
    work: Mapping[Status, int]
    submitted: datetime
    show: str = ""
    cluster: str = "/"
    priority: int = 9999
    cpus: int = 4
    first: int = 1001
    average: float = 60.0
    started: datetime | None = None
    finished: datetime | None = None
    layout: Sequence[Status] = ()
    failures: Sequence[Failure] = ()
    held: Hold = Hold.NONE
    columns: Mapping[str, Any] = field(default_factory=dict)
    package: Mapping[str, Any] = field(default_factory=dict)
    bad_host: str = ""  # that most failures come from
    tries: int = 1
    take: int = 1
    logged: bool = False
    told: Sequence[Told] = ()
    id: int = 0

    @property
    def todo(self) -> int:
        return sum(self.work.values())

    @property
    def running(self) -> int:
        return self.work.get(Status.RUNNING, 0)


def layout(plan: JobPlan, dice: random.Random) -> list[Status]:
    """The status of each frame in the order of the agenda: what is done first, failures here and there among it."""
    if plan.layout:
        return list(plan.layout)
    done = [Status.COMPLETE] * plan.work.get(Status.COMPLETE, 0)
    for status in (Status.KILLED, Status.FAILED):
        for size in _runs(plan.work.get(status, 0), dice):
            at = dice.randrange(len(done) + 1)
            done[at:at] = [status] * size
    order = (Status.RUNNING, Status.PENDING, Status.WAITING, Status.SUSPENDED, Status.BLOCKED)
    return done + [status for status in order for _ in range(plan.work.get(status, 0))]


def _runs(count: int, dice: random.Random) -> Iterator[int]:
    while count > 0:
        size = min(count, dice.choice((1, 1, 1, 2, 3, 8)))
        yield size
        count -= size


def subjobs(plan: JobPlan) -> list[Status]:
    """The statuses of the job's subjobs: one for each running or suspended frame, the others as the rest is."""
    placed = [Status.RUNNING] * plan.running + [Status.SUSPENDED] * plan.work.get(Status.SUSPENDED, 0)
    alive = sum(plan.work.get(status, 0) for status in LIVE)
    if not alive:
        ending = next((one for one in (Status.KILLED, Status.FAILED) if plan.work.get(one)), Status.COMPLETE)
        return [ending if ending == Status.KILLED else Status.COMPLETE] * max(1, min(plan.cpus, plan.todo))
    rest = Status.BLOCKED if plan.held or alive == plan.work.get(Status.BLOCKED, 0) else Status.PENDING
    wanted = max(1, min(plan.cpus, alive))
    return placed + [rest] * (wanted - len(placed))


def job_row(plan: JobPlan, places: Sequence[Status], now: datetime) -> dict[str, Any]:
    """The job's own row, with tallies of what its frames and subjobs are."""
    counted = Counter(places)
    status = rollup(subjobs=counted, work=plan.work, held=bool(plan.held)).status
    complete = plan.work.get(Status.COMPLETE, 0)
    over = status in DONE
    return {
        "id": plan.id,
        "pgrp": plan.id,
        "name": plan.name,
        "user": plan.user,
        "show": plan.show,
        "cluster": plan.cluster,
        "priority": plan.priority,
        "cpus": plan.cpus,
        "todo": plan.todo,
        "prototype": "cmdrange",
        "package": dict(plan.package),
        "status": int(status),
        "held": int(plan.held),
        **{f"n_{one.word}": count for one, count in plan.work.items()},
        **{f"s_{one.word}": count for one, count in counted.items()},
        "timed": complete,
        "seconds": plan.average * complete,
        "timesubmit": plan.submitted,
        "timestart": plan.started,
        "timecomplete": (plan.finished or now) if over else None,
        "updated": plan.finished or now,
        **plan.columns,
    }


def attempt_row(plan: JobPlan, pos: int, seconds: float, started: datetime) -> dict[str, Any]:
    """The beginning of an attempt at a frame."""
    return {
        "job_id": plan.id,
        "job_name": plan.name,
        "show": plan.show,
        "user": plan.user,
        "pos": pos,
        "frame": str(plan.first + pos),
        "started": started,
        "seconds": seconds,
        "cpu": seconds * 7.4,
    }


def ended(status: Status, started: datetime, seconds: float) -> dict[str, Any]:
    """How an attempt at a frame of that status ended; {} while it runs."""
    if status in (Status.RUNNING, Status.SUSPENDED):
        return {}
    good = status == Status.COMPLETE
    killed = status == Status.KILLED
    return {
        "ended": started + timedelta(seconds=seconds),
        "ending": str(Ending.COMPLETE if good else Ending.KILLED if killed else Ending.FAILED),
        "reported": True,
        "exit_code": 0 if good else None if killed else 1,
        "signal": 15 if killed else None,
    }
