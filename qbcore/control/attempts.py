"""Attempts end: reports of workers are taken in, once each, however often and late they come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from qbcore.constants import FLAGS
from qbcore.control import marks, statements
from qbcore.control.batches import Delta, Item, Known, Line, Owner
from qbcore.control.placements import last_attempt_number
from qbcore.control.ranks import ranks
from qbcore.errors import Invalid
from qbcore.models import GrantRow, JobRow, WorkRow
from qbcore.states import LIVE, Ending, Status

ELSEWHERE = timedelta(minutes=10)
"""How long an item that failed on a host is kept from it, with the flag migrate_on_frame_retry."""


class Report(NamedTuple):
    """How an attempt ended, as the worker saw it. Times in seconds, sizes in bytes."""

    attempt: int
    pos: int
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    reason: str = "exit"
    message: str = ""
    rss: int = 0
    cpu: float = 0.0
    out: tuple[int, int] = (0, 0)
    err: tuple[int, int] = (0, 0)
    result: Any = None

    @property
    def good(self) -> bool:
        return self.reason == "exit" and self.exit_code == 0 and not self.signal


Said = Sequence[tuple[GrantRow, Report]]
"""Reports of one job's attempts, each with the grant that it was said of."""


def refuse_foreign(said: Said, endings: Mapping[int, Ending], known: Mapping[int, Known]) -> None:
    """A host speaks for its own attempts only: not for another grant's, nor for numbers that nobody gave out."""
    named = {report.attempt: grant.id for grant, report in said}
    foreign = {number for number, grant in named.items() if number in known and known[number].grant != grant}
    foreign |= {report.attempt for grant, report in said if named[report.attempt] != grant.id}
    unknown = {number for number, ending in endings.items() if ending == Ending.LATE and number not in known}
    last = last_attempt_number() if unknown else 0
    foreign |= {number for number in unknown if not 0 < number <= last}
    if foreign:
        number = min(foreign)
        raise Invalid(f"attempt {number} was not given to grant {named[number]}", field="reports")


def out_of_time(job: JobRow, report: Report) -> bool:
    """Whether it ended because its subjob had run for as long as the job allows: not the item failed, the subjob did.

    A worker of an older version calls an item's own limit by the same word; then the job has none for subjobs.
    """
    return report.reason == "timelimit" and job.timelimit > 0


def judge(job: JobRow, said: Said, items: dict[int, Item], known: Mapping[int, Known]) -> list[Line]:
    """What becomes of items that still belong to the attempt reported, and how all the attempts ended."""
    lines: list[Line] = []
    turned: set[int] = set()
    for grant, report in said:
        item = items.get(report.pos)
        once = item is not None and report.pos not in turned
        if item is None or not once or not _counts(item, report, known.get(report.attempt), grant):
            lines.append(line_of(grant.id, grant.idx, report, item, Ending.LATE, None, 0))
            continue
        to, ending, retries = outcome(job, item, report)
        lines.append(line_of(grant.id, grant.idx, report, item, ending, to, retries))
        turned.add(report.pos)
    return lines


def _counts(item: Item, report: Report, attempt: Known | None, grant: GrantRow) -> bool:
    """The item still belongs to the attempt; or it was lost, is back in the queue, and is done after all."""
    if item.attempt_id == report.attempt:
        return item.grant_id == grant.id
    lost = attempt is not None and attempt.ending == Ending.LOST
    return lost and report.good and item.status == Status.PENDING and item.attempt_id is None


def outcome(job: JobRow, item: Item | WorkRow, report: Report) -> tuple[Status, Ending, int]:
    if report.good:
        return Status.COMPLETE, Ending.COMPLETE, item.retries
    if report.reason == "ended":
        return Status.PENDING, Ending.INTERRUPTED, item.retries
    if out_of_time(job, report):
        return Status.PENDING, Ending.FAILED, item.retries
    if item.retries < job.retrywork:
        return Status.WAITING if job.retrywork_delay > 0 else Status.PENDING, Ending.FAILED, item.retries + 1
    return Status.FAILED, Ending.FAILED, item.retries


def line_of(
    grant: int, subjob: int, report: Report, item: Item | None, ending: Ending, to: Status | None, retries: int
) -> Line:
    """The report as it is stored. *to*: what the item becomes, None when the attempt was not its own any more."""
    name, tried, was, place = (item.name, item.attempts + 1, item.status, item.place) if item else ("", 1, 0, None)
    how = (report.exit_code, report.signal, report.message, report.seconds, report.cpu, report.rss)
    becomes, place = (None, None) if to is None else (int(to), place)
    return Line(
        *(report.attempt, grant, subjob, report.pos, name, tried, ending.value, *how, *report.out, *report.err),
        *(becomes, retries, was, report.result, place),
    )


def store(job: JobRow, who: Owner, lines: Sequence[Line], *, now: datetime) -> None:
    """All lines of one job and host at once, with one delta."""
    if not lines:
        return
    turned: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.becomes is not None:
            turned[line.becomes].append(line)
    if Status.PENDING in turned:
        ranks.forget(job.pk)
    moved = Counter({Status(to): len(some) for to, some in turned.items()})
    for was, count in Counter(line.was for some in turned.values() for line in some).items():
        moved[Status(was)] -= count
    done = [line.seconds for line in turned.get(Status.COMPLETE, ())]
    places = {Status(to): [line.pos for line in some] for to, some in turned.items()}
    delta = Delta(moved, len(done), sum(done), marks.text(marks.WORK, places))
    wait = now + timedelta(seconds=max(0, job.retrywork_delay))
    statements.acts().report(who, lines, delta, wait=wait, now=now)


def turn_one(job: JobRow, report: Report, to: Status, retries: int, *, now: datetime) -> None:
    """An item that a program held, and which is locked, to its new status; its attempt is recorded by itself."""
    items, _ = statements.acts().taken(job.pk, [(report.attempt, report.pos)])
    line = line_of(0, 0, report, items[report.pos], Ending.COMPLETE, to, retries)._replace(number=0, result=None)
    store(job, Owner(job.pk, "", "", "", 0, ""), [line], now=now)
    if report.result is not None:  # a program may say null and mean it
        WorkRow.objects.filter(job_id=job.pk, pos=report.pos).update(result=report.result)


def shun(job: JobRow, host: int, lines: Sequence[Line], *, now: datetime) -> None:
    """Items that failed and are tried again are kept from this host for a while, where the job asks for that."""
    if job.flags & FLAGS["migrate_on_frame_retry"]:
        again = [line.pos for line in lines if line.becomes in LIVE and line.ending == Ending.FAILED]
        rows = WorkRow.objects.filter(job_id=job.pk, pos__in=again)
        rows.update(avoid_host=host, avoid_until=now + ELSEWHERE)
