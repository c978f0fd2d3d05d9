"""Rows for tests, written as the farm would leave them: plain functions, no factories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from qbcore.models import AttemptRow, GrantRow, HistoryRow, HostRow, JobRow, RoleRow, SubjobRow, WorkRow
from qbcore.states import Status

numbers = count(1)
attempt_numbers = count(1_000_000)


def make_user(name: str, role: str = "artist", password: str | None = None) -> Any:
    """Without a password (hashing one is slow) nobody can sign in as them by the form."""
    user = get_user_model().objects.create_user(username=name, password=password)
    RoleRow.objects.create(user=user, role=role)
    return user


def make_job(
    name: str = "",
    *,
    frames: int | Mapping[Status, int] = 4,
    status: Status | None = None,
    user: str = "bob",
    cpus: int = 1,
    subjob: Status | None = None,
    at: datetime | None = None,
    **columns: Any,
) -> JobRow:
    """A job with frames in the statuses given (a plain number: all pending), tallies counted, and *cpus* subjobs."""
    now = at or timezone.now()
    spread = {Status.PENDING: frames} if isinstance(frames, int) else dict(frames)
    kinds = [kind for kind in Status for _ in range(spread.get(kind, 0))]
    places = subjob or status or _place(kinds)
    tallies = {f"n_{kind.word}": kinds.count(kind) for kind in set(kinds)}
    done = kinds.count(Status.COMPLETE)
    job = JobRow.objects.create(
        name=name or f"job {next(numbers)}",
        user=user,
        prototype="cmdrange",
        cpus=cpus,
        status=status or places,
        timesubmit=now,
        updated=now,
        todo=len(kinds),
        timed=done,
        seconds=done * 60.0,
        **{f"s_{places.word}": cpus},
        **tallies,
        **columns,
    )
    make_frames(job, kinds, at=now)
    SubjobRow.objects.bulk_create(SubjobRow(job_id=job.id, idx=at, status=places, updated=now) for at in range(cpus))
    return job


def _place(kinds: list[Status]) -> Status:
    """What the subjobs of such a job would be."""
    present = Counter(kinds)
    order = (Status.RUNNING, Status.PENDING, Status.BLOCKED, Status.WAITING, Status.FAILED, Status.KILLED)
    return next((kind for kind in order if present[kind]), Status.COMPLETE)


def make_frames(job: JobRow, kinds: Iterable[Status], *, at: datetime) -> None:
    WorkRow.objects.bulk_create(
        WorkRow(job_id=job.id, pos=pos, rank=pos, name=str(pos + 1), status=kind, updated=at)
        for pos, kind in enumerate(kinds)
    )


def make_host(name: str = "", *, state: str = "active", slots: int = 8, memory: int = 32000, **columns: Any) -> HostRow:
    now = timezone.now()
    name = name or f"host-{next(numbers):03d}"
    return HostRow.objects.create(
        name=name,
        token=f"digest of {name}",
        state=state,
        totals={"processors": slots, "memory": memory},
        joined=now,
        seen=now,
        updated=now,
        **columns,
    )


def make_attempt(
    job: JobRow,
    pos: int,
    *,
    host: HostRow,
    ending: str = "",
    seconds: float = 60.0,
    subjob: int = 0,
    at: datetime | None = None,
    **columns: Any,
) -> AttemptRow:
    """A try at a frame on a host, with its grant. Without an *ending* it runs still."""
    now = at or timezone.now()
    ended = now if ending else None
    grant = GrantRow.objects.create(
        job_id=job.id, idx=subjob, host_id=host.id, host_name=host.name, taken={"host.processors": 1}, started=now,
        ended=ended,
    )  # fmt: skip
    return AttemptRow.objects.create(
        id=next(attempt_numbers), job_id=job.id, job_name=job.name, user=job.user, pos=pos, frame=str(pos + 1),
        subjob=subjob, grant_id=grant.id, host_id=host.id, host_name=host.name, ending=ending, seconds=seconds,
        started=now - timedelta(seconds=seconds), ended=ended, **columns,
    )  # fmt: skip


def make_history(job: JobRow, verb: str, actor: str = "alice", **columns: Any) -> HistoryRow:
    return HistoryRow.objects.create(at=timezone.now(), actor=actor, verb=verb, job_id=job.id, **columns)
