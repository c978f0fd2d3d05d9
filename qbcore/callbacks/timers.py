"""Callbacks that wait for a time, by the database's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from qbcore.callbacks.hearing import Listener, finish, listeners
from qbcore.callbackspec import period_of
from qbcore.models import JobRow, TermRow
from qbcore.states import DONE
from qbcore.writing import clock, writing

SLICE = 200


def ring() -> int:
    """Times that have come are heard, each once; answers how many callbacks looked."""
    due = TermRow.objects.filter(due__lte=clock()).order_by("due").values_list("callback_id", flat=True)
    found = sorted(set(due[:SLICE]))
    for callback in found:
        _ring(callback)
    return len(found)


@writing
def _ring(callback: int) -> None:
    now = clock()
    heard = listeners([callback], now)
    if not heard:
        TermRow.objects.filter(callback_id=callback, due__lte=now).update(due=None)  # refused, done or idle
    for listener in heard:
        for term in listener.terms:
            if term.due and term.due <= now:
                _come(listener, term, now)
    finish(heard)


def _come(listener: Listener, term: TermRow, now: datetime) -> None:
    """A time comes once. A repeated one comes again, not once for each that was missed, while its job lives."""
    ahead = _next(term.due or now, period_of(term.extra), now) if term.type == "repeat" else None
    TermRow.objects.filter(pk=term.pk).update(due=ahead)
    own = listener.row.job_id
    over = term.type == "repeat" and own > 0 and JobRow.objects.filter(pk=own, status__in=DONE).exists()
    if not over:
        listener.met(term)


def _next(due: datetime, period: int, now: datetime) -> datetime:
    missed = int((now - due).total_seconds() // period)
    return due + timedelta(seconds=period * (missed + 1))
