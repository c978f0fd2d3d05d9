"""Items that wait for items of other jobs, frame by frame, and jobs that wait for single items or subjobs.

Each waiting item knows the positions in the parent that it waits for, and one of them as its witness: while the
witness is not in the wanted state nothing has to be looked at. So a fold looks only at what waits for what has turned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q

from qbcore import events, spans
from qbcore.control import marks, work
from qbcore.control.marks import Turn
from qbcore.coverage import Coverage
from qbcore.errors import Invalid
from qbcore.models import DependencyRow, JobRow, SubjobRow, WaitRow, WorkRow
from qbcore.positions import FEW, at
from qbcore.states import DONE, Hold, Status
from qbcore.triggers import Link, parse_dependency
from qbcore.writing import locked, on_postgres

MEETS = {status.word: frozenset({status}) for status in DONE} | {"done": DONE}
"""The statuses that meet a link, by the state it names."""
ITSELF = -1
"""The position that stands for the waiting job itself."""
SLICE = 5000
MOST_HELD = 50_000
MOST_MEETINGS = 20_000_000
COLUMNS = ("dependency_id", "job_id", "pos", "parent_id", "places", "witness")
Wait = tuple[int, int, int, int, str, int]
Told = dict[int, set[int]]
"""Children, each with its items that are to be looked at; none for the job alone."""


def tie(link: DependencyRow, now: datetime) -> None:
    """Blocks the child's items whose frames the parent's items are not in the state for yet; the parent is locked."""
    known = list(WorkRow.objects.filter(job_id=link.parent_id).values_list("pos", "name", "status"))
    wanted = MEETS[link.state]
    good = {pos for pos, _, status in known if status in wanted}
    whole = JobRow.objects.filter(pk=link.parent_id, status__in=wanted).exists()
    waits: list[Wait] = []
    for pos, places in _places(link, Coverage((pos, name) for pos, name, _ in known)):
        witness = next((place for place in places if place not in good), None)
        if not places and not whole:
            witness = WaitRow.WHOLE
        if witness is not None:
            waits.append((link.pk, link.job_id, pos, link.parent_id, _text(places), witness))
    store(waits)
    for part in spans.slices(spans.of(pos for _, _, pos, *_ in waits), MOST_HELD):
        work.hold(link.job_id, at(part), now=now)


def _text(places: list[int]) -> str:
    return str(places[0]) if len(places) == 1 else spans.text(spans.of(places))


def _places(link: DependencyRow, coverage: Coverage) -> Iterable[tuple[int, list[int]]]:
    """Each item of the child with the positions in the parent that it waits for."""
    known: dict[str, list[int]] = {}
    count = 0
    for pos, name in WorkRow.objects.filter(job_id=link.job_id).order_by("pos").values_list("pos", "name"):
        if name not in known:
            known[name] = coverage.of(name)
            count += len(known[name])
        if count > MOST_MEETINGS:
            raise Invalid(
                "the items of the two jobs have too many frames in common", field="dependency", hint="Wait for the job."
            )
        yield pos, known[name]


def tie_job(link: DependencyRow, places: spans.Spans) -> None:
    """The job itself waits for these items of its parent."""
    store([(link.pk, link.job_id, ITSELF, link.parent_id, spans.text(places), WaitRow.NONE)])


def store(waits: Sequence[Wait]) -> None:
    """All at once: COPY on PostgreSQL, one prepared INSERT on SQLite."""
    names = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        if on_postgres():
            with cursor.copy(f"COPY wait ({names}) FROM STDIN") as copy:
                for wait in waits:
                    copy.write_row(wait)
        elif waits:
            marked = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(f"INSERT INTO wait ({names}) VALUES ({marked})", waits)


def turned(parent: int, turns: Sequence[Turn]) -> Told:
    """Who has to be looked at because items or subjobs of the parent have turned."""
    found: Told = defaultdict(set)
    links = DependencyRow.objects.filter(parent_id=parent, kind__in=["work", "subjob"])
    by_state: dict[str, list[int]] = defaultdict(list)
    for pk, child, kind, state in links.values_list("pk", "job_id", "kind", "state"):
        if kind == "work":
            by_state[state].append(pk)
        elif any(turn.kind == marks.SUBJOB for turn in turns):
            found[child].add(ITSELF)
    for state, pks in by_state.items():
        for part in spans.slices(marks.places(turns, marks.WORK, MEETS[state]), SLICE):
            rows = WaitRow.objects.filter(_witness_in(part), parent_id=parent, dependency_id__in=pks)
            for child, pos in rows.values_list("job_id", "pos"):
                found[child].add(pos)
    return found


def _witness_in(part: spans.Spans) -> Q:
    if len(part) > FEW:
        return Q(witness__in=list(spans.positions(part)))
    return reduce(or_, (Q(witness__gte=first, witness__lte=last) for first, last in part))


def passed(parent: int, status: Status) -> Told:
    """Who has to be looked at because the parent is over, or lives again; links to the job itself are noted."""
    links = DependencyRow.objects.filter(parent_id=parent)
    links.filter(kind="job").update(met=False)
    links.filter(kind="job", state__in=[state for state, met in MEETS.items() if status in met]).update(met=True)
    found: Told = {child: {ITSELF} for child in links.values_list("job_id", flat=True)}
    if status in DONE:
        for child, pos in WaitRow.objects.filter(parent_id=parent).values_list("job_id", "pos"):
            found.setdefault(child, set()).add(pos)
    return found


def let_go(child: JobRow, positions: Iterable[int], now: datetime) -> None:
    """Lets those of the items go that nothing keeps waiting any more; the child is locked."""
    for part in spans.slices(spans.of(sorted(pos for pos in positions if pos != ITSELF)), SLICE):
        rows = list(WaitRow.objects.filter(at(part), job_id=child.pk))
        kept = _look(rows)
        free = sorted({row.pos for row in rows} - kept)
        if free:
            where = at(spans.of(free))
            WaitRow.objects.filter(where, job_id=child.pk).delete()
            work.let_go(child.pk, where, now=now)


def _look(rows: Sequence[WaitRow]) -> set[int]:
    """Gives each row its witness as things stand; answers the positions that have to go on waiting."""
    witnesses = _witnesses(rows)
    changed = [row for row in rows if row.witness != witnesses[row.pk]]
    for row in changed:
        row.witness = witnesses[row.pk]
    kept = {row.pos for row in rows if row.witness != WaitRow.NONE}
    WaitRow.objects.bulk_update([row for row in changed if row.pos in kept], ["witness"], batch_size=500)
    return kept


def _witnesses(rows: Sequence[WaitRow]) -> dict[int, int]:
    """For each row a place that is not in the wanted state, WHOLE while the parent is not, or NONE."""
    states = dict(DependencyRow.objects.filter(pk__in={row.dependency_id for row in rows}).values_list("pk", "state"))
    jobs = dict(JobRow.objects.filter(pk__in={row.parent_id for row in rows}).values_list("pk", "status"))
    places = {row.pk: spans.parse(row.places) for row in rows}
    known = _statuses([row for row in rows if spans.size(places[row.pk]) <= FEW], places)
    found: dict[int, int] = {}
    for row in rows:
        wanted = MEETS[states[row.dependency_id]]
        if row.parent_id not in jobs:
            found[row.pk] = row.witness  # it was removed: what was met stays met, the rest is never
        elif not row.places:
            found[row.pk] = WaitRow.NONE if jobs.get(row.parent_id) in wanted else WaitRow.WHOLE
        elif spans.size(places[row.pk]) <= FEW:
            unmet = (pos for pos in spans.positions(places[row.pk]) if known.get((row.parent_id, pos)) not in wanted)
            found[row.pk] = next(unmet, WaitRow.NONE)
        else:
            found[row.pk] = _next_unmet(row, places[row.pk], wanted)
    return found


def _statuses(rows: Sequence[WaitRow], places: dict[int, spans.Spans]) -> dict[tuple[int, int], int]:
    """The statuses of all places of rows that wait for few."""
    wanted: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        wanted[row.parent_id] += places[row.pk]
    found = {}
    for parent, given in wanted.items():
        for part in spans.slices(spans.joined(given), SLICE):
            items = WorkRow.objects.filter(at(part), job_id=parent)
            found.update({(parent, pos): status for pos, status in items.values_list("pos", "status")})
    return found


def _next_unmet(row: WaitRow, places: spans.Spans, wanted: Iterable[Status]) -> int:
    """Of many places one that is not in the state, from the last witness on: what lies before it was good then."""
    items = WorkRow.objects.filter(at(places), job_id=row.parent_id).exclude(status__in=wanted).order_by("pos")
    ahead = items.filter(pos__gte=row.witness).values_list("pos", flat=True).first()
    unmet = ahead if ahead is not None else items.values_list("pos", flat=True).first()
    return WaitRow.NONE if unmet is None else int(unmet)


def met(child: JobRow) -> bool:
    """Whether nothing keeps the job as a whole waiting, as things stand; the child is locked."""
    rows = list(WaitRow.objects.filter(job_id=child.pk, pos=ITSELF))
    _look(rows)
    for row in rows:
        DependencyRow.objects.filter(pk=row.dependency_id).update(met=row.witness == WaitRow.NONE)
    there = JobRow.objects.values("pk")
    for link in DependencyRow.objects.filter(job_id=child.pk, kind="subjob", parent_id__in=there):
        DependencyRow.objects.filter(pk=link.pk).update(met=_subjobs_are(link))
    return not DependencyRow.objects.filter(job_id=child.pk, met=False).exists()


def _subjobs_are(link: DependencyRow) -> bool:
    """Whether the subjob named is in the state; without a number, all of them."""
    rows = SubjobRow.objects.filter(job_id=link.parent_id)
    rows = rows.filter(idx=int(link.extra)) if link.extra else rows
    found = list(rows.values_list("status", flat=True))
    return bool(found) and all(status in MEETS[link.state] for status in found)


def waits(child: JobRow) -> bool:
    return WaitRow.objects.filter(job_id=child.pk, pos__gt=ITSELF).exists()


def explain(child: JobRow) -> None:
    """Says in the job's reason what it waits for, in vain where a parent is over or gone; nothing when it is free."""
    if child.reason and not child.reason.startswith("waits for "):
        return
    unmet = set(DependencyRow.objects.filter(job_id=child.pk, met=False).values_list("parent_id", flat=True))
    waiting = WaitRow.objects.filter(job_id=child.pk, pos__gt=ITSELF)
    unmet = unmet if child.held & Hold.DEPENDENCY else set()
    unmet |= set(waiting.order_by().values_list("parent_id", flat=True).distinct())
    parents = dict(JobRow.objects.filter(pk__in=unmet).values_list("pk", "status"))
    vain = [(one, parents.get(one)) for one in sorted(unmet) if parents.get(one, Status.KILLED) in DONE]
    child.reason = in_vain(*vain[0]) if vain else f"waits for {in_words(child.dependency)}" if unmet else ""


VERBS = {"complete": "complete", "failed": "fail", "killed": "be killed", "done": "end"}


def in_words(dependency: str) -> str:
    """'frames of sim and 38 to end': what a dependency asks for, without its syntax."""
    return " and ".join(map(_in_words, parse_dependency(dependency)))


def _in_words(one: Link) -> str:
    if one.kind == "job":
        what = one.target
    elif one.kind == "subjob":
        numbered = one.extra or (one.target.rpartition(".")[2].isdecimal() and "." in one.target)
        what = f"{'subjob' if numbered else 'all subjobs of'} {one.target}{f'.{one.extra}' if one.extra else ''}"
    else:
        what = f"frame {one.extra} of {one.target}" if one.extra else f"frames of {one.target}"
    return what if one.kind == "work" and one.state == "complete" else f"{what} to {VERBS[one.state]}"


def in_vain(parent: int, status: int | None) -> str:
    """Why a job goes on waiting for another that is over, or gone."""
    if status is None:
        return f"waits for {parent}, which was removed"
    ended = {Status.COMPLETE: "is complete", Status.KILLED: "was killed"}
    return f"waits for {parent}, which {ended.get(Status(status), Status(status).word)}"


def removed(parent: int, now: datetime) -> None:
    """Who waits for a job that is no more says so: what it waits for must not seem to have come true."""
    vain = set(DependencyRow.objects.filter(parent_id=parent, met=False).values_list("job_id", flat=True))
    vain |= set(WaitRow.objects.filter(parent_id=parent).order_by().values_list("job_id", flat=True).distinct())
    children = list(locked(JobRow.objects.filter(pk__in=vain).exclude(status__in=DONE).order_by("pk")))
    for child in children:
        explain(child)
        JobRow.objects.filter(pk=child.pk).update(reason=child.reason, updated=now)
    if children:
        events.publish("job", [child.pk for child in children])


def forget(job: JobRow, where: Q | None = None) -> None:
    """The items (all, unless *where* says which) are past waiting: somebody let them go or ended them."""
    if job.dependency:
        WaitRow.objects.filter(where or Q(), job_id=job.pk).delete()
