"""The one way to write: a transaction that is repeated when the database asks for it.

PostgreSQL may end a transaction with a deadlock or a serialisation failure (a claim that meets a row just claimed and
already being reported waits in spite of SKIP LOCKED); what runs here is written so that it can run again. A connection
that breaks before the commit was asked for is a reason too: PostgreSQL was restarted, and nothing of it is there.
SQLite has one writer and an unfair lock (measured: 3.5 s at the 95th percentile with eight writers), so writers of one
process take turns before they ask for it.

Order of locks, to be kept by everybody: host, job, subjob, work, then the rest.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections, transaction
from django.db.backends.utils import CursorDebugWrapper
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from qbcore import prepared

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Model)
REPEATS = 8
REPEATABLE = frozenset({"40P01", "40001"})
AWAY = (OperationalError, InterfaceError)
"""What a database that is away, or was, makes of a statement."""


class Turns:
    """A lock that is fair: first come, first served. Re-entrant, because an atomic block may nest."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._owner: int | None = None
        self._depth = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._take()
        try:
            yield
        finally:
            self._give()

    def _take(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        with self._guard:
            turn = threading.Event()
            if self._owner is None:
                self._owner, self._depth = me, 1
                return
            self._waiting.append(turn)
        turn.wait()
        self._owner, self._depth = me, 1

    def _give(self) -> None:
        self._depth -= 1
        if self._depth:
            return
        with self._guard:
            if self._waiting:
                self._owner = -1
                self._waiting.popleft().set()
            else:
                self._owner = None


turns = Turns()


@cache
def on_postgres() -> bool:
    """Which of both databases this process has: it never changes."""
    return connection.vendor == "postgresql"


def ask(sql: str, params: Sequence[Any]) -> list[Any]:
    """The rows of a statement of the hot path, whose text never changes.

    PostgreSQL binds its parameters itself, so each needs its type in the text, and plans each text once a connection.
    """
    here = connections[DEFAULT_DB_ALIAS]
    if here.vendor != "postgresql":
        with here.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())
    here.ensure_connection()
    with here.wrap_database_errors:
        here.validate_no_broken_transaction()
        logged = CursorDebugWrapper(None, here).debug_sql(sql, params) if here.queries_logged else nullcontext()
        with logged:
            return prepared.ask(here.connection, sql, params)


@contextmanager
def _one_try() -> Iterator[None]:
    with nullcontext() if on_postgres() else turns.taken(), transaction.atomic():
        yield


def writing(do: Callable[P, R]) -> Callable[P, R]:
    """Runs *do* in a transaction, all or nothing, and repeats it on a deadlock or a broken connection.

    Inside another transaction it is a part of that one, which the outermost repeats.
    """

    @wraps(do)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            with transaction.atomic():
                return do(*args, **kwargs)
        for left in reversed(range(REPEATS)):
            mine, committing = None, False
            try:
                with _one_try():
                    mine = connection.connection
                    answer = do(*args, **kwargs)
                    committing = True
                return answer
            except AWAY as error:
                if not left or not (_repeatable(error) or (not committing and _broken(mine))):
                    raise
        raise AssertionError("unreachable")

    return run


def _repeatable(error: Exception) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in REPEATABLE


def _broken(mine: Any) -> bool:
    """Whether the connection of the transaction is no more: what it had not committed is not there."""
    return on_postgres() and mine is not None and bool(mine.closed)


def clock() -> datetime:
    """The database's time: the only clock that counts, whatever the clocks of hosts and web processes say."""
    if not on_postgres():
        return timezone.now()  # SQLite has no clock of its own: it reads this machine's
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found


def locked(rows: QuerySet[M], *, skip: bool = False) -> QuerySet[M]:
    """The same rows, locked until the transaction ends; with *skip* those that others hold are left out."""
    return rows.select_for_update(skip_locked=skip and on_postgres())


def listed(column: str, numbers: Sequence[int]) -> Q:
    """The rows whose column is one of the numbers, given as one value: thousands of parameters cost more than most of
    what is asked with them.
    """
    if on_postgres():
        return Q(**{f"{column}__in": RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)])})
    return Q(**{f"{column}__in": RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(numbers))])})
