"""What is read of logs: of a subjob, of an attempt, of one stream or of both in the order of their coming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from qbcore import acting
from qbcore.errors import NotFound
from qbcore.ids import SubjobId, flatten, parse_job_or_subjob
from qbcore.logs.attempts import files_of, range_of, strand, woven
from qbcore.logs.files import opened, size_of
from qbcore.logs.news import news
from qbcore.logs.places import GONE, STREAMS, path
from qbcore.logs.weaving import Segment, Woven
from qbcore.models import AttemptRow, GrantRow, HistoryRow, JobRow
from qbcore.permissions import visible_jobs

LARGEST_READ = 64 * 1024 * 1024
REMOVED = "forget logs"
"""The verb under which history says that and why logs were removed."""


@dataclass(frozen=True, slots=True)
class Window:
    """The pieces of a part of a log in order, how long the whole log is now, and whether all of it has its place."""

    segments: list[Segment]
    size: int
    settled: bool = True

    @property
    def data(self) -> bytes:
        return b"".join(segment.data for segment in self.segments)


def gone(job: int) -> bytes:
    """The sentence that stands for logs that were removed: since when, and by which policy."""
    row = HistoryRow.objects.filter(job_id=job, verb=REMOVED).order_by("-id").first()
    since = f"on {row.at:%Y-%m-%d at %H:%M} UTC: {row.effect}" if row else "by the farm's policy"
    return f"[The logs of job {job} were removed {since}]\n".encode()


def read(job: int, subjob: int, stream: str, offset: int = 0, length: int | None = None) -> tuple[bytes, int]:
    """Bytes of a subjob's log from *offset* on, and how long the whole log is now."""
    offset, left = max(0, offset), _most(length)
    notice, grants = _grants(job, subjob)
    taken, full = [notice[offset : offset + left]], len(notice)
    for file, size in _files(job, subjob, grants, stream):
        begin, left_now = max(0, offset - full), left - sum(map(len, taken))
        if begin < size and left_now > 0:
            with opened(file) as log:
                taken.append(log.read(begin, min(left_now, size - begin)))
        full += size
    return b"".join(taken), full


def _most(length: int | None) -> int:
    return LARGEST_READ if length is None else min(LARGEST_READ, max(0, length))


def _grants(job: int, subjob: int) -> tuple[bytes, list[int]]:
    """What stands for grants whose logs are gone, and the other ones in their order."""
    rows = list(GrantRow.objects.filter(job_id=job, idx=subjob).order_by("pk").values_list("pk", "logs"))
    notice = gone(job) if any(state == GONE for _, state in rows) else b""
    return notice, [grant for grant, state in rows if state != GONE]


def _files(job: int, subjob: int, grants: Iterable[int], stream: str) -> Iterator[tuple[Path, int]]:
    for grant in grants:
        file = path(job, subjob, grant, stream)
        yield file, size_of(file)


def attempt_log(attempt: int, stream: str, offset: int = 0, length: int | None = None) -> tuple[bytes, int]:
    """Bytes of one attempt's log and how long it is now; what has not arrived yet is not counted."""
    row = _attempt(attempt)
    if _is_gone(row):
        notice = gone(row.job_id)
        return notice[max(0, offset) :][: _most(length)], len(notice)
    with opened(path(row.job_id, row.subjob, row.grant_id, stream)) as file:
        part = strand(row, stream, file)
        begin = min(part.begin + max(0, offset), part.end)
        return file.read(begin, min(_most(length), part.end - begin)), part.end - part.begin


def attempt_window(attempt: int, offset: int, length: int) -> Window:
    """Both streams of an attempt as they came. A negative offset counts from the end. Nothing in it changes later."""
    row = _attempt(attempt)
    if _is_gone(row):
        return _windowed([gone(row.job_id)], offset, length)
    with files_of(row.job_id, row.subjob, row.grant_id) as files:
        return _windowed([woven(row, files, steady=True)], offset, length)


def subjob_window(job: int, subjob: int, offset: int, length: int, *, steady: bool = False) -> Window:
    """Both streams of all attempts of a subjob, one attempt after the other."""
    if offset < 0:
        offset = max(0, _windowed(_logs(job, subjob, steady=steady), 0, 0).size + offset)
    return _windowed(_logs(job, subjob, steady=steady), offset, length)


def _windowed(logs: Iterable[Woven | bytes], offset: int, length: int) -> Window:
    """From several logs as if they were one; each is read before the next one is asked for."""
    segments: list[Segment] = []
    full, left, settled = 0, _most(length), True
    for log in logs:
        settled = settled and (isinstance(log, bytes) or log.settled)
        size = len(log) if isinstance(log, bytes) else log.size
        begin = max(0, size + offset) if offset < 0 else max(0, offset - full)
        if left > 0 and begin < size:
            told = (
                [Segment("out", log[begin : begin + left], None)]
                if isinstance(log, bytes)
                else list(log.segments(begin, left))
            )
            left -= sum(len(segment.data) for segment in told)
            segments += told
        full += size
    return Window(segments, full, settled)


def _logs(job: int, subjob: int, *, steady: bool) -> Iterator[Woven | bytes]:
    """What stands for removed logs, then each attempt's; its files are open until the next one is asked for."""
    notice, grants = _grants(job, subjob)
    if notice:
        yield notice
    rows = AttemptRow.objects.filter(job_id=job, subjob=subjob, grant_id__in=grants)
    found = [(row, [range_of(row, stream)[0] for stream in STREAMS]) for row in rows]
    found.sort(key=lambda one: (one[0].grant_id, *one[1], one[0].pos, one[0].pk))
    for grant, some in groupby((row for row, _ in found), key=lambda row: row.grant_id):
        with files_of(job, subjob, grant) as files:
            out, err = 0, 0
            for row in some:  # an item of a program lies within what the program wrote
                log = woven(row, files, (out, err), steady=steady)
                out, err = log.ends
                yield log


def _attempt(attempt: int) -> AttemptRow:
    row = AttemptRow.objects.filter(pk=attempt).first()
    if row is None:
        raise NotFound(f"there is no attempt {attempt}")
    return row


def _is_gone(row: AttemptRow) -> bool:
    return GrantRow.objects.filter(pk=row.grant_id, logs=GONE).exists()


def tail(row: AttemptRow, window: int) -> tuple[bytes, bool]:
    """The end of what the attempt wrote, standard output first, and whether all of it is here already."""
    parts, complete = [], True
    for stream in STREAMS:
        with opened(path(row.job_id, row.subjob, row.grant_id, stream)) as file:
            part = strand(row, stream, file)
            complete = complete and (not row.reported or part.end >= range_of(row, stream)[1])
            if part.end > part.begin:
                begin = max(part.begin, part.end - window)
                parts.append(file.read(begin, part.end - begin))
    return b"\n".join(parts), complete


def stdout(jobid: Any, *extraJobids: Any, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    return list(_rows([jobid, *extraJobids], "out", pos, len))


def stderr(jobid: Any, *extraJobids: Any, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    return list(_rows([jobid, *extraJobids], "err", pos, len))


def log(
    jobid: Any, *extraJobids: Any, pos: int = 0, len: int | None = None, since: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Both streams attempt by attempt, in the order in which lines came (of older workers first all of stdout).

    With `since` for somebody who follows: qbcore.logs.news.
    """
    if since is not None:
        return news([jobid, *extraJobids], since)
    return list(_rows([jobid, *extraJobids], "", pos, len))


def _rows(ids: list[Any], stream: str, pos: int, length: int | None) -> Iterator[dict[str, Any]]:
    actor = acting.current()
    for one in map(parse_job_or_subjob, flatten(ids)):
        if not JobRow.objects.filter(visible_jobs(actor), pk=one.job).exists():
            continue
        grants = GrantRow.objects.filter(job_id=one.job)
        if isinstance(one, SubjobId):
            grants = grants.filter(idx=one.sub)
        for subjob in sorted(set(grants.values_list("idx", flat=True))):
            data, full = _data(one.job, subjob, stream, pos, length)
            yield {
                "data": data.decode("utf-8", "replace"),
                "jobid": one.job,
                "subid": subjob,
                "fullsize": full,
            }


def _data(job: int, subjob: int, stream: str, pos: int, length: int | None) -> tuple[bytes, int]:
    if stream:
        return read(job, subjob, stream, pos, length)
    window = subjob_window(job, subjob, max(0, pos), _most(length))
    return window.data, window.size
