"""Changes of work items: take them under lock, turn them to another status, keep the tallies true.

Every change inserts a delta; the job row itself is written by `folding` alone (a hot job's row would otherwise be the
lock that everything waits for: measured 182 frames a second).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from django.db.models import F, Q

from qbcore import spans
from qbcore.control import marks
from qbcore.control.places import among, islands
from qbcore.control.ranks import ranks
from qbcore.models import AttemptRow, DeltaRow, WorkRow
from qbcore.states import DONE, LIVE, PLACED, Ending, Hold, Status
from qbcore.writing import locked

LIFTED = Hold.SUBMIT | Hold.DEPENDENCY
LIFTABLE = (Hold.SUBMIT, Hold.DEPENDENCY, LIFTED)
"""The holds that dependencies and callbacks lift."""
OVER: dict[str, Any] = {"held": Hold.NONE, "wait_until": None}
AGAIN: dict[str, Any] = {"retries": 0, "losses": 0, "finished": None, "result": None}
"""What else becomes of items that are over, and of those that are done again by hand."""


class Item(NamedTuple):
    """An item that was taken, as it was then. There may be hundreds of thousands: a row of the model is too much."""

    pos: int
    name: str
    status: int
    retries: int
    attempt_id: int | None
    grant_id: int | None


Items: TypeAlias = Sequence[Item] | Sequence[WorkRow]
Groups: TypeAlias = dict[tuple[int, int], spans.Spans]
"""Items by how they stood, (status, retries), as runs of neighbours: a hundred thousand are a few of them."""


def take(
    job: int, *, frm: Iterable[Status], where: Q | None = None, after: int = -1, limit: int | None = None
) -> list[Item]:
    """The job's items in one of the statuses *frm*, by position, locked until the transaction ends.

    Items that are over need no lock of their own: only who holds the job's turns them.
    """
    statuses = frozenset(frm)
    rows = WorkRow.objects.filter(where or Q(), job_id=job, status__in=statuses, pos__gt=after)
    found = (rows if statuses <= DONE else locked(rows)).order_by("pos").values_list(*Item._fields)
    return list(map(Item._make, found[:limit] if limit else found))


def standing(job: int, runs: spans.Spans, *, frm: frozenset[Status]) -> Groups:
    """The items among *runs* in one of the statuses *frm*, all of which are over: as `take`, without fetching them."""
    assert frm <= DONE, "what is alive must be taken: claims and reports turn it"
    rows = WorkRow.objects.filter(among(runs), job_id=job, status__in=frm)
    return {(status, retries): some for (status, retries), some in islands(rows, "status", "retries").items()}


def grouped(items: Items) -> Groups:
    positions: dict[tuple[int, int], list[int]] = defaultdict(list)
    for item in items:
        positions[item.status, item.retries].append(item.pos)
    return {stood: spans.of(sorted(some)) for stood, some in positions.items()}


def turn(job: int, items: Items | Groups, to: Status, *, now: datetime, **also: Any) -> None:
    """Gives taken items the status *to* and inserts the delta. An item that leaves its place gives up its attempt."""
    if not items:
        return
    groups = items if isinstance(items, dict) else grouped(items)
    runs = spans.joined(run for some in groups.values() for run in some)
    WorkRow.objects.filter(among(runs), job_id=job).update(**changes(to, now, **also))
    moved: Counter[Status] = Counter({to: spans.size(runs)})
    for (status, _), some in groups.items():
        moved[Status(status)] -= spans.size(some)
    if to == Status.PENDING:
        ranks.forget(job)
    delta(job, moved, turned=marks.work(to, runs))


def changes(to: Status, now: datetime, **also: Any) -> dict[str, Any]:
    """The columns of items that turn."""
    left = {} if to in PLACED else {"attempt_id": None, "grant_id": None, "reserved_until": None}
    return {"status": to, "updated": now, **left, **also}


def delta(job: int, change: Mapping[Status, int], *, timed: int = 0, seconds: float = 0.0, turned: str = "") -> None:
    """Announces a change of the job's tallies to the next fold. One without any numbers asks for a fold.

    *turned* says which items or subjobs it was, for those who wait for them.
    """
    counts = {status.word: count for status, count in change.items()}
    DeltaRow.objects.create(job_id=job, timed=timed, seconds=seconds, turned=turned, **counts)


def interrupt(items: Iterable[Item] | Iterable[WorkRow], ending: Ending, *, now: datetime) -> None:
    """Ends the running attempts of items taken away; what the worker reports later only adds to the record."""
    attempts = [
        item.attempt_id for item in items if item.attempt_id and item.status in (Status.RUNNING, Status.SUSPENDED)
    ]
    AttemptRow.objects.filter(pk__in=attempts, ended__isnull=True).update(ended=now, ending=ending)


def kill(job: int, items: Items, *, now: datetime) -> None:
    interrupt(items, Ending.KILLED, now=now)
    turn(job, items, Status.KILLED, now=now, finished=now, **OVER)


def retry(job: int, items: Items | Groups, *, now: datetime) -> None:
    """Terminal items back to pending, by hand: the counters start again."""
    turn(job, items, Status.PENDING, now=now, held=Hold.NONE, **AGAIN)


def requeue(job: int, items: Items | Groups, *, now: datetime) -> None:
    turn(job, items, Status.BLOCKED, now=now, held=Hold.USER, **AGAIN)


def block(job: int, items: Items, *, now: datetime) -> None:
    turn(job, items, Status.BLOCKED, now=now, held=Hold.USER, wait_until=None)


def unblock(job: int, items: Items, *, now: datetime) -> None:
    turn(job, items, Status.PENDING, now=now, held=Hold.NONE)


def hold(job: int, where: Q, *, now: datetime) -> None:
    """Pending items wait for items of another job, and those that were submitted blocked too."""
    rows = WorkRow.objects.filter(where, job_id=job)
    rows.filter(status=Status.BLOCKED).update(held=F("held").bitor(int(Hold.DEPENDENCY)), updated=now)
    pending = rows.filter(status=Status.PENDING, grant_id__isnull=True)
    count = pending.update(status=Status.BLOCKED, held=Hold.DEPENDENCY, updated=now)
    delta(job, {Status.PENDING: -count, Status.BLOCKED: count})


def let_go(job: int, where: Q, *, now: datetime) -> int:
    """Items that a dependency or the submission holds are pending; answers how many."""
    items = take(job, frm=[Status.BLOCKED], where=where & Q(held__in=LIFTABLE))
    unblock(job, items, now=now)
    return len(items)


def complete(job: int, items: Items, *, now: datetime) -> None:
    """Live items become complete without rendering."""
    interrupt(items, Ending.INTERRUPTED, now=now)
    turn(job, items, Status.COMPLETE, now=now, finished=now, **OVER)


def fail(job: int, items: Items, *, now: datetime) -> None:
    """Live items that nothing is left to render."""
    interrupt(items, Ending.INTERRUPTED, now=now)
    turn(job, items, Status.FAILED, now=now, finished=now, **OVER)


def give_back(job: int, grants: Iterable[int], ending: Ending, *, now: datetime) -> list[Item]:
    """What the grants hold goes back to pending. Answers the items that ran: their attempts end as *ending*."""
    items = take(job, frm=LIVE, where=Q(grant_id__in=list(grants)))
    running = [item for item in items if item.status in (Status.RUNNING, Status.SUSPENDED)]
    interrupt(running, ending, now=now)
    turn(job, items, Status.PENDING, now=now)
    return running


def suspend(job: int, grants: Iterable[int], *, now: datetime) -> None:
    items = take(job, frm=[Status.RUNNING], where=Q(grant_id__in=list(grants)))
    turn(job, items, Status.SUSPENDED, now=now)


def resume(job: int, grants: Iterable[int], *, now: datetime) -> None:
    items = take(job, frm=[Status.SUSPENDED], where=Q(grant_id__in=list(grants)))
    for late in WorkRow.objects.filter(job_id=job, pos__in=[item.pos for item in items], reserved_until__isnull=False):
        stood_still = now - late.updated
        WorkRow.objects.filter(job_id=job, pos=late.pos).update(reserved_until=F("reserved_until") + stood_still)
    turn(job, items, Status.RUNNING, now=now)
