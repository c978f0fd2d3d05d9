"""Log files: one per grant and stream, written at the offset where the worker says its bytes belong.

The same bytes may come any number of times. An attempt's log is a byte range of its grant's file; a subjob's log is the
files of its grants one after the other.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max

from qbcore import acting
from qbcore.errors import Invalid, NotFound, Refused
from qbcore.ids import SubjobId, flatten, parse_job_or_subjob
from qbcore.models import AttemptRow, GrantRow, JobRow
from qbcore.permissions import visible_jobs

STREAMS = ("out", "err")
LARGEST_CHUNK = 4 * 1024 * 1024
LARGEST_READ = 64 * 1024 * 1024
LONGEST_LOG = 1024**4


class Gone(NotFound):
    """The job of this log was removed: forget these bytes."""

    code = "gone"
    status = 410


def folder(job: int) -> Path:
    """Where a job's logs lie; a thousand jobs share a folder."""
    return Path(settings.FARM_DATA) / "logs" / f"{job // 1000:06d}" / str(job)


def path(job: int, subjob: int, grant: int, stream: str) -> Path:
    return folder(job) / f"{subjob}.{grant}.{stream}"


@lru_cache(maxsize=4096)
def place(grant: int) -> tuple[int, int, int]:
    """Job, subjob and host of a grant: they never change."""
    row = GrantRow.objects.filter(pk=grant).first()
    if row is None:
        raise Gone(f"there is no grant {grant}")
    return row.job_id, row.idx, row.host_id


def append(host: int, grant: int, stream: str, offset: int, data: bytes) -> int:
    """Writes bytes of *host* at their offset; answers how long the file is now. No bytes only ask for that."""
    if stream not in STREAMS:
        raise Invalid(f"{stream!r} is no stream", field="stream", hint="Give out or err.")
    if not 0 <= offset <= LONGEST_LOG:
        raise Invalid(f"{offset} is no offset in a log", field="offset")
    job, subjob, owner = place(grant)
    if owner != host:
        raise Refused(f"grant {grant} is on another host", right="write its log", holders="that host")
    file = path(job, subjob, grant, stream)
    if not file.exists() and not JobRow.objects.filter(pk=job).exists():
        raise Gone()
    if not data:
        return file.stat().st_size if file.exists() else 0
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        _write_all(handle, data, offset)
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written


def files(job: int, subjob: int, stream: str) -> list[tuple[int, Path, int]]:
    """The subjob's log files in the order of its grants: grant, path, size."""
    grants = GrantRow.objects.filter(job_id=job, idx=subjob).order_by("pk").values_list("pk", flat=True)
    found = []
    for grant in grants:
        file = path(job, subjob, grant, stream)
        if file.exists():
            found.append((grant, file, file.stat().st_size))
    return found


def read(job: int, subjob: int, stream: str, offset: int = 0, length: int | None = None) -> tuple[bytes, int]:
    """Bytes of a subjob's log from *offset* on, and how long the whole log is now."""
    found = files(job, subjob, stream)
    return _read_files([(file, 0, size) for _, file, size in found], offset, length)


def _read_files(parts: list[tuple[Path, int, int]], offset: int, length: int | None) -> tuple[bytes, int]:
    """From parts of files, each (path, from, to), as if they were one."""
    left = min(LARGEST_READ, LARGEST_READ if length is None else max(0, length))
    full = sum(end - start for _, start, end in parts)
    taken: list[bytes] = []
    for file, start, end in parts:
        begin = min(start + max(0, offset), end)
        offset = max(0, offset - (end - start))
        with file.open("rb") as handle:
            handle.seek(begin)
            taken.append(handle.read(min(left, end - begin)))
        left -= len(taken[-1])
        if left <= 0:
            break
    return b"".join(taken), full


def attempt_range(row: AttemptRow, stream: str) -> tuple[int, int]:
    """Where the attempt's bytes stand in its grant's file; of a running one, all after the one before it."""
    if row.reported:
        return (row.out_from, row.out_to) if stream == "out" else (row.err_from, row.err_to)
    rows = AttemptRow.objects.filter(job_id=row.job_id, grant_id=row.grant_id, reported=True)
    earlier = rows.filter(started__lte=row.started).exclude(pk=row.pk)  # numbers of attempts are in no order
    begun = row.out_from if stream == "out" else row.err_from
    start = max(begun, earlier.aggregate(end=Max(f"{stream}_to"))["end"] or 0)
    file = path(row.job_id, row.subjob, row.grant_id, stream)
    return start, max(start, file.stat().st_size if file.exists() else 0)


def attempt_log(attempt: int, stream: str, offset: int = 0, length: int | None = None) -> tuple[bytes, int]:
    """Bytes of one attempt's log and how long it is now; what has not arrived yet is not counted."""
    row = AttemptRow.objects.filter(pk=attempt).first()
    if row is None:
        raise NotFound(f"there is no attempt {attempt}")
    file = path(row.job_id, row.subjob, row.grant_id, stream)
    if not file.exists():
        return b"", 0
    start, end = attempt_range(row, stream)
    return _read_files([(file, start, max(start, min(end, file.stat().st_size)))], offset, length)


def tail(row: AttemptRow, window: int) -> tuple[bytes, bool]:
    """The end of what the attempt wrote, standard output first, and whether all of it is here already."""
    parts, complete = [], True
    for stream in STREAMS:
        start, end = attempt_range(row, stream)
        if start == end:
            continue
        file = path(row.job_id, row.subjob, row.grant_id, stream)
        here = min(end, file.stat().st_size) if file.exists() else start
        complete = complete and here == end
        if here > start:
            parts.append(_read_files([(file, max(start, here - window), here)], 0, None)[0])
    return b"\n".join(parts), complete


def forget(job: int) -> None:
    """Deletes the logs of a job that was removed."""
    shutil.rmtree(folder(job), ignore_errors=True)


def stdout(jobid: Any, *extraJobids: Any, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    return list(_rows([jobid, *extraJobids], ("out",), pos, len))


def stderr(jobid: Any, *extraJobids: Any, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    return list(_rows([jobid, *extraJobids], ("err",), pos, len))


def log(jobid: Any, *extraJobids: Any, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    """Both streams: of each attempt what it wrote to standard output, then to standard error."""
    return list(_rows([jobid, *extraJobids], STREAMS, pos, len))


def _rows(ids: list[Any], streams: tuple[str, ...], pos: int, length: int | None) -> Iterator[dict[str, Any]]:
    actor = acting.current()
    for one in map(parse_job_or_subjob, flatten(ids)):
        if not JobRow.objects.filter(visible_jobs(actor), pk=one.job).exists():
            continue
        grants = GrantRow.objects.filter(job_id=one.job)
        if isinstance(one, SubjobId):
            grants = grants.filter(idx=one.sub)
        for subjob in sorted(set(grants.values_list("idx", flat=True))):
            data, full = _joined(one.job, subjob, streams, pos, length)
            yield {
                "data": data.decode("utf-8", "replace"),
                "jobid": one.job,
                "subid": subjob,
                "fullsize": full,
            }


def _joined(job: int, subjob: int, streams: tuple[str, ...], pos: int, length: int | None) -> tuple[bytes, int]:
    if len(streams) == 1:
        return read(job, subjob, streams[0], pos, length)
    rows = AttemptRow.objects.filter(job_id=job, subjob=subjob)
    found = [(row, [attempt_range(row, stream) for stream in streams]) for row in rows]
    found.sort(key=lambda one: (one[0].grant_id, *(start for start, _ in one[1]), one[0].pos, one[0].pk))
    parts: list[tuple[Path, int, int]] = []
    ends: dict[Path, int] = {}
    for row, ranges in found:
        for stream, (start, end) in zip(streams, ranges, strict=True):
            file = path(job, subjob, row.grant_id, stream)
            if file.exists():
                begin = max(start, ends.get(file, 0))  # an item of a program lies within what the program wrote
                ends[file] = max(begin, min(end, file.stat().st_size))
                parts.append((file, begin, ends[file]))
    return _read_files(parts, pos, length)
