"""What happened reaches those who listen: terms are met and forgotten, callbacks fire.

All rows of callbacks are locked in their order before their terms are read, so of two folds that meet the last two
terms of a condition at once the second sees what the first has met.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from qbcore import acting, events, history, spans
from qbcore.callbacks.languages import NO_MAIL
from qbcore.callbackspec import fires
from qbcore.control import marks
from qbcore.control.marks import Turn
from qbcore.models import CallbackRow, FiringRow, JobRow, TermRow, WorkRow
from qbcore.positions import at
from qbcore.states import DONE, Status
from qbcore.writing import clock, locked

log = logging.getLogger(__name__)
NAMES: dict[Status, frozenset[str]] = {
    **{status: frozenset({status.word, "done"}) for status in DONE},
    **{status: frozenset({status.word}) for status in (Status.BLOCKED, Status.RUNNING, Status.WAITING)},
}
"""What a thing in a status is said to be; the others have no name that a trigger could use."""
LASTING = frozenset().union(*NAMES.values())
"""Names of events that say how a thing is from then on: a term is forgotten when it is so no more."""
ANY = "*"
SLICE = 5000


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to one thing: what it is said to be now, and what no more. It fires a callback once."""

    type: str
    watched: int
    names: frozenset[str]
    left: frozenset[str] = frozenset()
    frame: str = ""
    subjob: int = -1
    host: str = ""

    def fits(self, term: TermRow) -> bool:
        if term.type != self.type:
            return False
        if self.type == "host":
            return term.label in ("", self.host)
        if term.watched_id != self.watched:
            return False
        return term.extra in ("", ANY, self.frame if self.type == "work" else str(self.subjob))

    def forgets(self, term: TermRow) -> bool:
        """A term for any item is forgotten when none is so any more, which an event without an item says."""
        return term.name in self.left and (term.extra != ANY or (not self.frame and self.subjob < 0))


@dataclass(slots=True)
class Fold:
    """One fold of a watched job: its status before, and the turns that were folded."""

    job: JobRow
    before: Status
    turns: Sequence[Turn]
    _found: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def events(self, terms: Sequence[TermRow]) -> Iterator[Event]:
        """What these terms may want to hear of it, in its order."""
        mine = [term for term in terms if term.watched_id == self.job.pk]
        for turn in self.turns:
            yield from self._turned(turn, mine)
        yield from self._emptied(mine)
        yield from self._passed()

    def _turned(self, turn: Turn, terms: Sequence[TermRow]) -> Iterator[Event]:
        names = frozenset({"assigned"}) if turn.kind == marks.ASSIGNED else NAMES.get(turn.status, frozenset())
        left = frozenset() if turn.kind == marks.ASSIGNED else LASTING - names
        if turn.kind == marks.WORK:
            for frame in self._frames(turn, names, [term for term in terms if term.type == "work"]):
                yield Event("work", self.job.pk, names, left, frame=frame)
        elif any(term.type == "subjob" for term in terms):
            for number in spans.positions(turn.places):
                yield Event("subjob", self.job.pk, names, left, subjob=number)

    def _frames(self, turn: Turn, names: frozenset[str], terms: Sequence[TermRow]) -> Iterable[str]:
        """Names of the items that turned, as far as somebody asks for them."""
        if any(term.extra == ANY and term.name in names for term in terms):
            return self._names(turn.places)
        named = {term.extra for term in terms} - {ANY}
        turned = {pos for name in named for pos, _ in self._named(name)} & set(spans.positions(turn.places))
        return [name for name in named for pos, _ in self._named(name) if pos in turned]

    def _names(self, places: spans.Spans) -> Iterator[str]:
        for part in spans.slices(places, SLICE):
            rows = WorkRow.objects.filter(at(part), job_id=self.job.pk).order_by("pos")
            yield from rows.values_list("name", flat=True)

    def _named(self, name: str) -> list[tuple[int, str]]:
        if name not in self._found:
            rows = WorkRow.objects.filter(job_id=self.job.pk, name=name)
            self._found[name] = list(rows.values_list("pos", "name"))
        return self._found[name]

    def _emptied(self, terms: Sequence[TermRow]) -> Iterator[Event]:
        """Names that no item, or no subjob, has any more."""
        for kind, prefix in (("work", "n"), ("subjob", "s")):
            if any(term.type == kind and term.extra == ANY for term in terms):
                held = [NAMES[status] for status in NAMES if getattr(self.job, f"{prefix}_{status.word}")]
                yield Event(kind, self.job.pk, frozenset(), LASTING - frozenset().union(*held))

    def _passed(self) -> Iterator[Event]:
        before, now = (NAMES.get(status, frozenset()) for status in (self.before, Status(self.job.status)))
        placed = any(turn.kind == marks.ASSIGNED for turn in self.turns)
        names = (now - before) | (frozenset({"assigned"}) if placed else frozenset())
        ran = any(turn.kind == marks.SUBJOB and turn.status == Status.RUNNING for turn in self.turns)
        if ran and self.before != Status.RUNNING and now != NAMES[Status.RUNNING]:
            yield Event("job", self.job.pk, NAMES[Status.RUNNING])  # it began and ended between two folds
        if names or before - now:
            yield Event("job", self.job.pk, names, before - now)


News = list[Fold | Event]


class Listener:
    """One callback with its terms, both locked. It hears events, and is saved in the end."""

    def __init__(self, row: CallbackRow, terms: Sequence[TermRow], now: datetime) -> None:
        self.row, self.terms, self._now = row, terms, now
        self._met = {term.number for term in terms if term.met}
        self.fired: list[FiringRow] = []

    def hear(self, event: Event) -> None:
        fitting = [term for term in self.terms if event.fits(term)]
        self._met -= {term.number for term in fitting if event.forgets(term)}
        hit = [term for term in fitting if term.name in event.names]
        if hit:
            self._met |= {term.number for term in hit}
            self.weigh(hit[0], event)

    def met(self, term: TermRow) -> None:
        """A time has come."""
        self._met.add(term.number)
        self.weigh(term, Event(term.type, -1, frozenset()))

    def weigh(self, term: TermRow, event: Event) -> None:
        """Fires when the condition holds; then everything that was remembered is forgotten."""
        if self.row.state != "ready" or not fires(self.row.tree, self._met):
            return
        about = f"-{event.watched}" if event.watched > 0 else f"-{event.host}" if event.host else ""
        part = f"-{event.frame}" if event.frame else f"-{event.subjob}" if event.subjob >= 0 else ""
        self.fired.append(firing(self.row.pk, self.row.job_id, f"{term.name}-{term.type}{about}{part}", self._now))
        self.fired[-1].frame, self.fired[-1].subjob = event.frame, event.subjob
        self._met.clear()
        self.row.count += 1
        if 0 < self.row.maximum <= self.row.count:
            self.row.state = "done"

    def save(self) -> None:
        for term in self.terms:
            if term.met != (term.number in self._met):
                TermRow.objects.filter(pk=term.pk).update(met=not term.met)
        if self.fired:
            self.row.save(update_fields=["count", "state"])


def firing(callback: int, job: int, event: str, now: datetime) -> FiringRow:
    return FiringRow(callback_id=callback, job_id=job, at=now, event=event[:500], due=now, delivery=uuid.uuid4())


def hear(news: Sequence[Fold | Event]) -> None:
    """Tells everybody who listens; what fires is inserted in this transaction."""
    news = [one for one in news if not isinstance(one, Fold) or one.turns or one.before != one.job.status]
    ids = _who(news) if news else set()
    if not ids:
        return
    now = clock()
    for listener in listeners(ids, now):
        for one in news:
            heard = one.events(listener.terms) if isinstance(one, Fold) else [one]
            for event in heard:
                listener.hear(event)
        finish([listener])


def _who(news: Sequence[Fold | Event]) -> set[int]:
    jobs = {one.job.pk if isinstance(one, Fold) else one.watched for one in news}
    wanted = Q(watched_id__in=jobs, type__in=["job", "work", "subjob"])
    hosts = {one.host for one in news if isinstance(one, Event) and one.type == "host"}
    if hosts:
        wanted |= Q(type="host", label__in=["", *hosts])
    return set(TermRow.objects.filter(wanted).values_list("callback_id", flat=True))


def listeners(ids: Iterable[int], now: datetime) -> list[Listener]:
    """Those of the callbacks that are ready, locked, with their terms as they are now."""
    rows = list(locked(CallbackRow.objects.filter(pk__in=list(ids), state="ready")).order_by("pk"))
    terms: dict[int, list[TermRow]] = defaultdict(list)
    for term in TermRow.objects.filter(callback_id__in=[row.pk for row in rows]).order_by("number"):
        terms[term.callback_id].append(term)
    return [Listener(row, terms[row.pk], now) for row in rows]


def finish(found: Iterable[Listener]) -> None:
    """Writes what became of the listeners; their firings are carried out once this is committed."""
    for listener in found:
        listener.save()
        insert(listener.fired)


def insert(fired: Sequence[FiringRow]) -> None:
    if not fired:
        return
    made = FiringRow.objects.bulk_create(fired, batch_size=1000)
    jobs = {row.job_id for row in made if row.job_id > 0}
    if jobs:
        events.publish("job", jobs)
    numbers = [row.pk for row in made]
    transaction.on_commit(lambda: _tell(numbers), robust=True)


def mail_status(job: JobRow, now: datetime) -> str:
    """The job's flag or a code asks for a mail of how it is: a firing of no callback. Answers what comes of it.

    Where no mail can be sent its history says so.
    """
    if not settings.FARM_MAIL:
        with acting.acting_as(acting.FARM):
            history.record("mail", now=now, job=job.pk, effect=f"not sent: {NO_MAIL}")
        return f"no mail was sent: {NO_MAIL}"
    insert([firing(0, job.pk, f"{Status(job.status).word}-job-{job.pk}", now)])
    return "a mail is on its way"


_carriers: list[Callable[[int], object]] = []


def set_carrier(carrier: Callable[[int], object]) -> None:
    """Says who carries firings out soon after their commit; without one, housekeeping does."""
    _carriers[:] = [carrier]


def _tell(numbers: Sequence[int]) -> None:
    for carrier in _carriers:
        for number in numbers:
            carrier(number)
