"""One firing is carried out once: what it does to the farm in the transaction that says that it is done.

What goes out of the farm (mail, webhook, python) cannot be taken back with a transaction: it is delivered under a lease
and noted after, so a process that dies in between delivers it again, with the same delivery id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from qbcore import acting, events
from qbcore.callbackspec import MAIL, PYTHON, QUBE, WEBHOOK, codes
from qbcore.errands import Errands
from qbcore.errors import QubeError, Refused
from qbcore.firings.acts import act
from qbcore.firings.mailing import send_mail
from qbcore.firings.occasion import Later, Occasion, actor_of
from qbcore.firings.scripting import run_python
from qbcore.firings.webhook import send_webhook
from qbcore.models import CallbackRow, FiringRow, JobRow
from qbcore.writing import AWAY, clock, locked, writing

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
RESENT = timedelta(seconds=5)
"""A delivery that nobody has taken up for this long is sent to the queue again."""
QUEUED = "queue"
PAUSES = (10, 60, 300, 1800, 7200)
"""Seconds before a delivery is tried again; after the last one it has failed."""
SLICE = 200
KEPT = timedelta(days=90)
DELIVERIES: dict[str, Callable[[Occasion], str]] = {
    MAIL: send_mail,
    WEBHOOK: send_webhook,
    PYTHON: run_python,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try: waiting means that it is tried again."""

    state: str
    message: str


def carry(firing_id: int) -> None:
    """Carries one firing out now, or hands it to the queue."""
    if _language(firing_id) == QUBE:
        _carry(firing_id)
    else:
        _send(firing_id)


def _language(firing_id: int) -> str:
    """How a firing is carried out; one without a callback is the mail that a job's flag asks for."""
    callback = FiringRow.objects.filter(pk=firing_id).values_list("callback_id", flat=True).first()
    if not callback:
        return MAIL
    return CallbackRow.objects.filter(pk=callback).values_list("language", flat=True).first() or QUBE


@writing
def _carry(firing_id: int) -> None:
    row = locked(FiringRow.objects.filter(pk=firing_id, state="waiting"), skip=True).first()
    if row is None:
        return
    callback = CallbackRow.objects.filter(pk=row.callback_id).first()
    if callback is None:
        _note(row, Outcome("failed", "its callback is no more"), clock())
        return
    outcome = _try(lambda: _act(Occasion(row, callback)))
    _note(row, outcome, clock())


def _act(occasion: Occasion) -> str:
    """All codes in their order, in one transaction: all of them or none."""
    assert occasion.callback is not None
    wanted = codes(occasion.callback.code)
    with transaction.atomic(), acting.acting_as(actor_of(occasion.callback)):
        return "; ".join(act(one, occasion) for one in wanted)


def _try(do: Callable[[], str]) -> Outcome:
    try:
        return Outcome("done", do())
    except AWAY:
        raise  # a deadlock or a lost connection: `writing` repeats it, or housekeeping does
    except Later as why:
        return Outcome("waiting", str(why))
    except Refused as why:
        return Outcome("refused", str(why))
    except QubeError as why:
        return Outcome("failed", str(why))
    except Exception:
        log.exception("a firing failed")
        return Outcome("failed", "the farm failed here; its log says why")


def _note(row: FiringRow, outcome: Outcome, now: datetime) -> None:
    row.state, row.message, row.owner, row.lease = outcome.state, outcome.message[:2000], "", None
    if outcome.state == "waiting":
        row.due = now + timedelta(seconds=PAUSES[min(row.tries, len(PAUSES)) - 1])
        if row.tries > len(PAUSES):
            row.state, row.message = "failed", f"given up after {row.tries} tries: {outcome.message}"[:2000]
    row.save(update_fields=["state", "message", "owner", "lease", "due"])
    if row.job_id > 0:
        events.publish("job", [row.job_id])


def deliver(firing_id: int, owner: str) -> None:
    """One try of what goes out of the farm, by a process that names itself *owner*."""
    row = _take_up(firing_id, owner)
    if row is None:
        return
    callback = CallbackRow.objects.filter(pk=row.callback_id).first() if row.callback_id else None
    if row.callback_id and callback is None:
        _finish(firing_id, owner, Outcome("failed", "its callback is no more"))
        return
    occasion = Occasion(row, callback)
    do = DELIVERIES.get(callback.language if callback else MAIL)
    if do is not None:
        _finish(firing_id, owner, _try(lambda: do(occasion)))


@writing
def _take_up(firing_id: int, owner: str) -> FiringRow | None:
    now = clock()
    free = Q(lease__isnull=True) | Q(lease__lt=now) | Q(owner=QUEUED)
    row = locked(FiringRow.objects.filter(free, pk=firing_id, state="waiting", due__lte=now), skip=True).first()
    if row is None:
        return None
    row.owner, row.lease, row.tries = owner, now + LEASE, row.tries + 1
    row.save(update_fields=["owner", "lease", "tries"])
    return row


@writing
def _finish(firing_id: int, owner: str, outcome: Outcome) -> None:
    row = locked(FiringRow.objects.filter(pk=firing_id, owner=owner, state="waiting")).first()
    if row is not None:
        _note(row, outcome, clock())


_queue: list[Callable[[int], Any]] = []


def set_queue(send: Callable[[int], Any]) -> None:
    """Says how a delivery reaches Celery; `tasks` does, which is above this door."""
    _queue[:] = [send]


def _send(firing_id: int) -> None:
    """Hands a delivery to Celery. A broker that does not answer delays it: housekeeping sends it again."""
    try:
        for send in _queue:
            send(firing_id)
    except Exception as error:
        log.warning("firing %s was not sent to the queue now: %s", firing_id, error)


def carry_due() -> int:
    """What nobody has carried out yet: its process died, the queue lost it, or its pause is over."""
    now = clock()
    free = Q(lease__isnull=True) | Q(lease__lt=now)
    rows = FiringRow.objects.filter(free, state="waiting", due__lte=now).order_by("due")
    found = list(rows.values_list("pk", "due", "tries")[:SLICE])
    for pk, due, tries in found:
        if _language(pk) == QUBE:
            _carry(pk)
        elif tries or due < now - RESENT:
            FiringRow.objects.filter(free, pk=pk, state="waiting").update(owner=QUEUED, lease=now + RESENT)
            _send(pk)
    return len(found)


def forget() -> None:
    """Firings long over, and callbacks of removed jobs that have nothing left to carry out."""
    old = clock() - KEPT
    gone = FiringRow.objects.filter(at__lt=old).exclude(state="waiting").values_list("pk", flat=True)
    FiringRow.objects.filter(pk__in=list(gone[: SLICE * 10])).delete()
    jobless = CallbackRow.objects.filter(job_id__gt=0).exclude(job_id__in=JobRow.objects.values("pk"))
    waiting = FiringRow.objects.filter(state="waiting", callback_id__in=jobless.values("pk")).values("callback_id")
    CallbackRow.objects.filter(pk__in=list(jobless.exclude(pk__in=waiting).values_list("pk", flat=True))).delete()


carrier = Errands("carrier", carry, tick=0.0)
