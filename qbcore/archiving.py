"""Jobs kept as XML on the farm's own disk."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from qbcore import acting, events, history
from qbcore.archive import archivejob
from qbcore.models import ArchiveRow, JobRow
from qbcore.permissions import need
from qbcore.queries import jobinfo
from qbcore.writing import clock, writing


def folder() -> Path:
    return Path(settings.FARM_DATA) / "archive"


@writing
def archive(job_id: int) -> ArchiveRow | None:
    """Writes the job with its agenda as XML; it stays on the farm. None when there is no such job."""
    row = JobRow.objects.filter(pk=job_id).first()
    if row is None:
        return None
    actor = acting.current()
    need(actor, "archive", owner=row.user)
    found = jobinfo(id=job_id, agenda=True, subjobs=True)
    file = folder() / f"{job_id // 1000:06d}" / f"{job_id}.xml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    size = archivejob(str(file), found[0])
    now = clock()
    kept = ArchiveRow.objects.create(
        job_id=job_id, job_name=row.name, user=row.user, by=actor.name, path=str(file), size=size, at=now
    )
    history.record("archive", now=now, job=job_id, effect=f"{size:,} bytes of XML")
    events.publish("job", [job_id])
    return kept
