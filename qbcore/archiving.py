"""Jobs kept as XML on the farm's own disk.

A file is written first, outside of any transaction, while the farm goes on; then one short transaction records it. Who
dies in between leaves a whole file that nobody names, or an unfinished one that a later archive clears away.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from qbcore import acting, events, history
from qbcore.archive import archivejob
from qbcore.models import ArchiveRow, JobRow
from qbcore.objects import Work
from qbcore.permissions import need
from qbcore.queries import items, jobinfo
from qbcore.writing import clock, writing

Alive = Callable[[], object]
EVERY = 10_000
"""Items between two signs of life of who writes a long agenda."""
STALE = 3600
"""Seconds after which an unfinished file is nobody's."""


@dataclass(frozen=True, slots=True)
class Written:
    """A job in a file of the archive, not recorded yet."""

    job: int
    name: str
    user: str
    path: Path
    size: int


def folder() -> Path:
    return Path(settings.FARM_DATA) / "archive"


def archive(job_id: int) -> ArchiveRow | None:
    """Writes the job, its work, subjobs and callbacks as XML; it stays on the farm. None when there is no such job."""
    written = write(job_id)
    return record(written) if written else None


def write(job_id: int, alive: Alive = lambda: None) -> Written | None:
    """The file, whole and in its place; None when there is no such job. Calls `alive` now and then on the way.

    Raises Refused, and OSError when the disk does not take it.
    """
    row = JobRow.objects.filter(pk=job_id).first()
    if row is None:
        return None
    need(acting.current(), "archive", owner=row.user)
    found = jobinfo(id=job_id, subjobs=True, callbacks=True)
    if not found:
        return None
    dict.__setitem__(found[0], "agenda", _told(items([job_id]), alive))
    file = folder() / f"{job_id // 1000:06d}" / f"{job_id}.xml"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = _unfinished() / f"{job_id}-{secrets.token_hex(8)}.xml"
    try:
        size = archivejob(part, found[0])
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return Written(job_id, row.name, row.user, file, size)


def _told(agenda: Iterator[Work], alive: Alive) -> Iterator[Work]:
    for count, item in enumerate(agenda):
        if count % EVERY == EVERY - 1:
            alive()
        yield item


def _unfinished() -> Path:
    """The folder in which files are written, without those whose writer died."""
    place = folder() / "unfinished"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    stale = time.time() - STALE
    for file in place.iterdir():
        try:
            if file.stat().st_mtime < stale:
                file.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # its writer has just put it into its place
    return place


@writing
def record(written: Written) -> ArchiveRow:
    """Says in the farm's record that this file is there."""
    now = clock()
    kept = ArchiveRow.objects.create(
        job_id=written.job, job_name=written.name, user=written.user, by=acting.current().name,
        path=str(written.path), size=written.size, at=now,
    )  # fmt: skip
    history.record("archive", now=now, job=written.job, effect=f"{written.size:,} bytes of XML")
    events.publish("job", [written.job])
    return kept
