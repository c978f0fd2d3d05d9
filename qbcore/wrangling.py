"""Hosts that do a job wrong: they are not given it again, and one that does several jobs wrong is locked.

Who watches over a job is asked of its flag auto_wrangling, or of the site. A host whose failures are the job's own
fault is left alone: that is so when others have tried the job and none of them succeeded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from qbcore import acting, events, history
from qbcore.constants import FLAGS
from qbcore.control import subjobs
from qbcore.control.attempts import Report
from qbcore.models import ExclusionRow, HostRow, JobRow, SubjobRow, TrackRow
from qbcore.states import Status

IN_A_ROW = 5
JOBS = 3
WINDOW = timedelta(hours=1)
WRANGLE = "wrangle"
MANY = 1_000_000


def watches(job: JobRow) -> bool:
    if job.flags & FLAGS["auto_wrangling"]:
        return True
    return bool(settings.FARM_AUTO_WRANGLING) and not job.flags & FLAGS["no_defaults"]


def note(host: HostRow, job: JobRow, reports: Sequence[Report], failed: Collection[int], now: datetime) -> None:
    """Counts how the host did with the job. The caller holds the host's lock, so nobody else counts for it."""
    track = TrackRow.objects.filter(job_id=job.pk, host_id=host.pk).first() or TrackRow(job_id=job.pk, host_id=host.pk)
    before = (track.failed, track.succeeded)
    for report in reports:
        if report.attempt in failed:
            track.failed += 1
        elif report.good:
            track.failed, track.succeeded = 0, True
    if before != (track.failed, track.succeeded) or track.pk is None:
        track.save()
    if track.failed >= IN_A_ROW and _is_the_host_s(track):
        _exclude(host, job, now)


def trusted(job: JobRow, host: int) -> int:
    """How many frames the host may have in hand: of a job that is watched over, no more than would get it excluded,
    until one came good.
    """
    if not watches(job):
        return MANY
    track = TrackRow.objects.filter(job_id=job.pk, host_id=host).first()
    if track is not None and track.succeeded and not track.failed:
        return MANY
    return max(1, IN_A_ROW - (track.failed if track else 0))


def _is_the_host_s(track: TrackRow) -> bool:
    """Whether the failures are the host's rather than the job's: another succeeded, or none has tried."""
    others = TrackRow.objects.filter(job_id=track.job_id).exclude(host_id=track.host_id)
    return others.filter(succeeded=True).exists() or not others.exists()


def _exclude(host: HostRow, job: JobRow, now: datetime) -> None:
    """The job leaves the host after what it runs there now, and does not come back."""
    noted = {"cause": WRANGLE, "at": now, "until": None}
    _, fresh = ExclusionRow.objects.get_or_create(job_id=job.pk, idx=-1, host_id=host.pk, defaults=noted)
    if not fresh:
        return
    if not job.flags & FLAGS["uninterruptible"]:
        _send_away(host, job, now)
    with acting.acting_as(acting.FARM):
        effect = f"failed {IN_A_ROW} frames in a row: {host.name} is not given this job again"
        history.record("exclude", now=now, job=job.pk, host=host.name, effect=effect)
    events.publish("wake", [])
    recent = ExclusionRow.objects.filter(host_id=host.pk, cause=WRANGLE, at__gt=now - WINDOW)
    jobs = sorted(set(recent.values_list("job_id", flat=True)))
    if len(jobs) >= JOBS and not host.locked:
        _lock(host, jobs, now)


def _send_away(host: HostRow, job: JobRow, now: datetime) -> None:
    """What it runs of the job is pending once its current item is done."""
    here = SubjobRow.objects.filter(job_id=job.pk, host_id=host.pk, status=Status.RUNNING)
    idx = set(here.values_list("idx", flat=True))
    running = [row for row in subjobs.take(job.pk, frm=[Status.RUNNING]) if row.idx in idx and not row.asked]
    subjobs.ask(job.pk, running, Status.PENDING, now=now)


def _lock(host: HostRow, jobs: Sequence[int], now: datetime) -> None:
    host.locked = True
    host.reason = f"failed {IN_A_ROW} frames in a row of each of the jobs {', '.join(map(str, jobs))}"
    HostRow.objects.filter(pk=host.pk).update(locked=True, reason=host.reason, updated=now)
    with acting.acting_as(acting.FARM):
        history.record("lock", now=now, host=host.name, effect=f"{host.name} locked: {host.reason}")
    events.publish("host", [host.pk])


def forgive(host: int, now: datetime) -> int:
    """Somebody has looked after the host: what it did wrong in the last hour is forgotten; of how many jobs."""
    recent = ExclusionRow.objects.filter(host_id=host, cause=WRANGLE, at__gt=now - WINDOW)
    jobs = list(recent.values_list("job_id", flat=True))
    recent.delete()
    TrackRow.objects.filter(host_id=host).update(failed=0)
    return len(jobs)
