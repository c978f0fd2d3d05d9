"""Work on hosts: a subjob is placed, frames are claimed for it, attempts start and end, the place is given back.

Locks are taken in the order host (by the caller), subjob, work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet

from qbcore import events
from qbcore.control import flights, marks, shares, statements, subjobs, work
from qbcore.control.batches import Claimed, Frame, Held, Owner, Place, owner
from qbcore.control.flights import UNIT, Step, has_process
from qbcore.control.ranks import LONG, ranks
from qbcore.models import AttemptRow, CounterRow, GrantRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import LIVE, PLACED, Ending, Hold, Status
from qbcore.writing import locked, on_postgres

RESERVED_SECONDS = 15
SURE_SECONDS = 10
"""For how long a reservation must be good after each request: for longer than a worker starts reserved frames without
an answer (docs/worker.md).
"""
LOSSES = 3


@dataclass(frozen=True, slots=True)
class Want:
    """A grant that asks for *count* frames; the first *running* of them run at once."""

    grant: GrantRow
    count: int
    running: int


def attempt_numbers(count: int) -> list[int]:
    """New attempt ids, in order, from the database."""
    if on_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('attempt_number') FROM generate_series(1, %s)", [count])
            return [row[0] for row in cursor.fetchall()]
    counter, _ = CounterRow.objects.get_or_create(name="attempt")
    CounterRow.objects.filter(pk=counter.pk).update(value=F("value") + count)
    last = counter.value + count  # this transaction is the only writer
    return list(range(last - count + 1, last + 1))


def last_attempt_number() -> int:
    """The highest number that may have been given out."""
    if on_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT last_value FROM attempt_number")
            return int(cursor.fetchone()[0])
    counter = CounterRow.objects.filter(name="attempt").first()
    return counter.value if counter else 0


def hold(job_id: int) -> JobRow | None:
    """The job's row, locked; None when somebody else holds it, for whom nobody waits here."""
    return locked(JobRow.objects.filter(pk=job_id), skip=True).first()


def place(
    job_id: int, host: HostRow, taken: dict[str, float], *, now: datetime, out: Collection[int] = ()
) -> GrantRow | None:
    """Places the job's lowest pending subjob that is not *out* on the host; None when somebody else was faster."""
    waiting = SubjobRow.objects.filter(job_id=job_id, status=Status.PENDING)
    rows = locked(waiting.exclude(idx__in=out) if out else waiting, skip=True)
    subjob = rows.order_by("idx").first()
    if subjob is None:
        return None
    grant = GrantRow.objects.create(
        job_id=job_id, idx=subjob.idx, host_id=host.pk, host_name=host.name, taken=taken, started=now
    )
    SubjobRow.objects.filter(job_id=job_id, idx=subjob.idx).update(
        status=Status.RUNNING,
        asked="",
        told="",
        grant_id=grant.pk,
        host_id=host.pk,
        host_name=host.name,
        timestart=now,
        timecomplete=None,
        updated=now,
    )
    placed = {Status.RUNNING: [subjob.idx]}
    told = f"{marks.text(marks.SUBJOB, placed)};{marks.text(marks.ASSIGNED, placed)}"
    work.delta(job_id, {}, turned=told)
    return grant


def free(job: JobRow, now: datetime, shun: int | None = None) -> QuerySet[WorkRow]:
    """Pending items that no grant holds, without those that are kept from the host *shun*."""
    free = Q(reserved_until__isnull=True) | Q(reserved_until__lt=now)
    rows = WorkRow.objects.filter(free, job_id=job.pk, status=Status.PENDING)
    if shun is None:
        return rows
    return rows.filter(Q(avoid_host__isnull=True) | ~Q(avoid_host=shun) | Q(avoid_until__lte=now))


def claimable(job: JobRow, *, now: datetime, shun: int | None = None) -> bool:
    """Whether a grant would find something to do, so that none is made in vain."""
    return not job.todo or free(job, now, shun).exists() or owes(job)


def owes(job: JobRow) -> bool:
    """Whether only postflights are left that were broken off."""
    if not (job.todo and job.postflights) or WorkRow.objects.filter(job_id=job.pk, status__in=LIVE).exists():
        return False
    return bool(flights.owing(job))


def claim(
    job: JobRow, grant: GrantRow, count: int, *, now: datetime, running: int, shun: int | None = None
) -> list[Frame]:
    """Up to *count* pending items for the grant: the first *running* of them run at once, the rest are reserved.

    What its subjob is to do itself comes first, alone.
    """
    if has_step(job, grant):
        return claim_step(job, grant, now=now)
    return claim_frames(job, [Want(grant, count, running)], now=now, shun=shun).get(grant.pk, [])


def has_step(job: JobRow, grant: GrantRow) -> bool:
    """Whether the grant's subjob does something itself before it is given frames, if it is given any."""
    return has_process(job) or flights.following(job, flights.done(job, grant), idle=False) is not None


def claim_step(job: JobRow, grant: GrantRow, *, now: datetime) -> list[Frame]:
    step = flights.following(job, flights.done(job, grant), idle=False)
    return _claim_unit(job, grant, step, now=now) if step else []


def claim_frames(
    job: JobRow, wants: Sequence[Want], *, now: datetime, shun: int | None = None
) -> dict[int, list[Frame]]:
    """Pending items for all these grants of the job on one host, dealt out in turn: each has some of the next."""
    places = _dealt(wants)
    if not places:
        return {}
    until = now + timedelta(seconds=RESERVED_SECONDS)
    who = owner(job, wants[0].grant)
    given: dict[int, list[Frame]] = defaultdict(list)
    for frame, grant, _ in _claimed(job, who, places, now=now, until=until, shun=shun):
        given[grant].append(frame)
    return given


def _claimed(
    job: JobRow, who: Owner, places: Sequence[Place], *, now: datetime, until: datetime, shun: int | None
) -> list[Claimed]:
    """Begins where the last claim of a long job found something; what is missing then is looked for everywhere."""
    begun = ranks.first(job.pk) if job.todo >= LONG else 0
    found = statements.acts().claim(who, places, now=now, until=until, shun=shun, rank=begun)
    if begun and len(found) < len(places):
        ranks.forget(job.pk)
        rest = places[len(found) :]
        return found + statements.acts().claim(who, rest, now=now, until=until, shun=shun, rank=0)
    if found and shun is None and job.todo >= LONG:
        ranks.found(job.pk, found[0][2], begun=begun)
    return found


def _dealt(wants: Sequence[Want]) -> list[Place]:
    """The first place of each grant, then the second of each."""
    longest = max((want.count for want in wants), default=0)
    return [
        Place(want.grant.pk, want.grant.idx, nth < want.running)
        for nth in range(longest)
        for want in wants
        if nth < want.count
    ]


def start(job: JobRow, grants: Sequence[GrantRow], attempts: Sequence[int], *, now: datetime) -> None:
    """The worker says that these attempts, reserved for grants of the job on one host, run now."""
    statements.acts().begin(owner(job, grants[0]), [grant.pk for grant in grants], attempts, now=now)


def keep(held: Iterable[Held], *, now: datetime) -> None:
    """Reservations that the worker still names go on; most frames are begun before theirs has to."""
    soon = now + timedelta(seconds=SURE_SECONDS)
    if any(one.until is not None and one.until < soon for one in held):
        rows = WorkRow.objects.filter(grant_id__in={one.grant for one in held}, status=Status.PENDING)
        rows.update(reserved_until=now + timedelta(seconds=RESERVED_SECONDS))


def attempt_row(
    job: JobRow, grant: GrantRow, number: int, pos: int, frame: str, nth: int, *, started: datetime
) -> AttemptRow:
    return AttemptRow(
        id=number,
        job_id=job.pk,
        job_name=job.name,
        show=job.show,
        user=job.user,
        pos=pos,
        frame=frame,
        subjob=grant.idx,
        number=nth,
        grant_id=grant.pk,
        host_id=grant.host_id,
        host_name=grant.host_name,
        started=started,
    )


def claim_last(job: JobRow, grant: GrantRow, *, now: datetime) -> list[Frame]:
    """What is left to do once no frame is: a postflight."""
    step = flights.following(job, flights.done(job, grant), idle=True)
    return _claim_unit(job, grant, step, now=now) if step else []


def _claim_unit(job: JobRow, grant: GrantRow, step: Step, *, now: datetime) -> list[Frame]:
    """A step of the subjob itself, one at a time: its attempt is kept in the subjob's row."""
    [number] = attempt_numbers(1)
    mine = SubjobRow.objects.filter(job_id=job.pk, idx=grant.idx, grant_id=grant.pk, attempt_id__isnull=True)
    if not mine.update(attempt_id=number, updated=now):
        return []
    nth = AttemptRow.objects.filter(job_id=job.pk, pos=UNIT, subjob=grant.idx, frame=step.name).count() + 1
    attempt_row(job, grant, number, UNIT, step.name, nth, started=now).save(force_insert=True)
    work.delta(job.pk, {})
    return [Frame(number, UNIT, step.name, None, step.command)]


def close(grants: Sequence[GrantRow], ending: Ending, *, now: datetime) -> None:
    """The grants' processes are gone: what they held goes back, their subjobs leave the host."""
    for grant in sorted(grants, key=lambda row: (row.job_id, row.idx)):
        if not GrantRow.objects.filter(pk=grant.pk, ended__isnull=True).update(ended=now, ending=ending):
            continue
        rows = locked(SubjobRow.objects.filter(job_id=grant.job_id, idx=grant.idx, grant_id=grant.pk))
        left = list(rows.filter(status__in=PLACED))
        for row in left:
            _leave(row, ending, now)
        running = work.give_back(grant.job_id, [grant.pk], ending, now=now)
        if ending == Ending.LOST:
            _count_losses(grant, running, now)
        shares.give_back(grant.taken, now=now)
        if left:
            events.publish("wake", [])
        else:
            work.delta(grant.job_id, {})
        events.publish("job", [grant.job_id])


def _leave(row: SubjobRow, ending: Ending, now: datetime) -> None:
    """A subjob without its process is pending, or what it was asked to become; lost while suspended: blocked."""
    if row.attempt_id:
        AttemptRow.objects.filter(pk=row.attempt_id, ended__isnull=True).update(ended=now, ending=ending)
    to = Status.of(row.asked) if row.asked else Status.PENDING
    if row.status == Status.SUSPENDED and ending == Ending.LOST:
        to = Status.BLOCKED
        JobRow.objects.filter(pk=row.job_id).update(
            held=F("held").bitor(int(Hold.FARM)), reason=f"{row.host_name} was lost while suspended: unblock to go on"
        )
    if row.attempt_id and ending == Ending.LOST and _lost_again(row):
        to = Status.FAILED
    subjobs.turn(row.job_id, [row], to, now=now)


def _lost_again(row: SubjobRow) -> bool:
    """Whether a subjob that is its own unit was lost with its host for the third time: its attempt says so."""
    step = AttemptRow.objects.filter(pk=row.attempt_id or 0).values("frame")
    mine = AttemptRow.objects.filter(job_id=row.job_id, subjob=row.idx, pos=UNIT, frame__in=step)
    tried = mine.order_by("-started")[:LOSSES]
    doomed = len(tried) == LOSSES and all(attempt.ending == Ending.LOST for attempt in tried)
    if doomed:
        _blame(tried)
    return doomed


def _count_losses(grant: GrantRow, running: Sequence[work.Item], now: datetime) -> None:
    """An item that was lost with its host for the third time fails: it takes hosts down."""
    positions = [item.pos for item in running]
    rows = WorkRow.objects.filter(job_id=grant.job_id, pos__in=positions)
    rows.update(losses=F("losses") + 1)
    doomed = work.take(grant.job_id, frm=[Status.PENDING], where=Q(pos__in=positions, losses__gte=LOSSES))
    if doomed:
        work.fail(grant.job_id, doomed, now=now)
        _explain_losses(grant.job_id, doomed)


def _explain_losses(job: int, doomed: Sequence[work.Item]) -> None:
    for item in doomed:
        _blame(AttemptRow.objects.filter(job_id=job, pos=item.pos, ending=Ending.LOST).order_by("-started")[:LOSSES])


def _blame(lost: Iterable[AttemptRow]) -> None:
    """The latest of these attempts, newest first, reads as failed, and why."""
    rows = list(lost)
    line = f"took down {', '.join(row.host_name for row in reversed(rows))}"
    AttemptRow.objects.filter(pk__in=[row.pk for row in rows[:1]]).update(
        ending=Ending.FAILED, error_line=line, error_key="took down <hosts>"
    )


def over(grant: GrantRow, to: Status, *, now: datetime) -> None:
    """Nothing is left for the grant and no process of it runs: its subjob is *to*, its place is free."""
    rows = locked(SubjobRow.objects.filter(job_id=grant.job_id, idx=grant.idx, grant_id=grant.pk, status__in=PLACED))
    subjobs.turn(grant.job_id, list(rows), to, now=now, told=True)
    close([grant], Ending.COMPLETE, now=now)
