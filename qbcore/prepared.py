"""Statements of the hot path, which PostgreSQL prepares once a connection and is then only given the values of.

They go straight through libpq: a cursor of psycopg costs 60 us of processor time a statement beside what PostgreSQL
does, this 25, and a request of a worker asks half a dozen. Values go as text, so each needs its type in the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import Connection, DataError, OperationalError, errors
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus

_names: WeakKeyDictionary[Connection[Any], dict[str, bytes]] = WeakKeyDictionary()
_numbers = count(1)
BY_INDEX = "set_config('enable_seqscan', 'off', true)"
"""Until the end of the transaction: a plan that is made while a table is nearly empty is kept while it fills."""


def ask(raw: Connection[Any], sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows. Begins a transaction as psycopg would, if none has begun. Raises psycopg's errors."""
    known = _names.get(raw)
    if known is None:
        known = _names[raw] = {}
    link = raw.pgconn
    if link.transaction_status == TransactionStatus.IDLE and not raw.autocommit:
        _done(raw, link.exec_(b"BEGIN"))
    name = known.get(sql) or _prepare(raw, known, sql)
    values: list[Any] = [None if one is None else _text(one) for one in params]
    found = _done(raw, link.exec_prepared(name, values))
    adapter = Transformer.from_context(raw)
    adapter.set_pgresult(found)
    return adapter.load_rows(0, found.ntuples, tuple)


def array(numbers: Iterable[int]) -> str:
    """As the text of an array, which costs less than psycopg's own way."""
    return "{" + ",".join(map(str, numbers)) + "}"


def _prepare(raw: Connection[Any], known: dict[str, bytes], sql: str) -> bytes:
    name = b"hot_%d" % next(_numbers)
    _done(raw, raw.pgconn.exec_(f"SELECT {BY_INDEX}".encode()))
    _done(raw, raw.pgconn.prepare(name, _numbered(sql)))
    known[sql] = name
    return name


@cache
def _numbered(sql: str) -> bytes:
    """With $1, $2 for each %s, as PostgreSQL itself counts them."""
    first, *rest = sql.split("%s")
    return (first + "".join(f"${nth}{part}" for nth, part in enumerate(rest, start=1))).encode()


def _text(value: Any) -> bytes:
    """As PostgreSQL reads it, whatever type the statement gives it: texts, numbers, booleans and times."""
    text = str(value)
    if "\0" in text:
        raise DataError("PostgreSQL stores no text with the character NUL")
    return text.encode()


def _done(raw: Connection[Any], result: Any) -> Any:
    status = result.status
    if status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return result
    if raw.pgconn.status:  # no connection any more
        raise OperationalError(raw.pgconn.get_error_message())
    raise errors.error_from_result(result, encoding="utf-8")
