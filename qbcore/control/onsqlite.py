"""The statements of `batches` on SQLite: a fixed number for each act; it has no writer beside this one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.db import connection

from qbcore.control.batches import Claimed, Delta, Frame, Held, Item, Known, Line, Owner, Place
from qbcore.control.onpostgres import ATTEMPT, COUNTS, WORDS
from qbcore.states import Status
from qbcore.writing import ask

MANY = "(SELECT value FROM json_each(%s))"
TAKEN = """
SELECT a.id, a.grant_id, a.reported, a.ended IS NOT NULL, a.ending,
    w.pos, w.name, w.status, w.retries, w.attempts, w.attempt_id, w.grant_id
FROM json_each(%s) AS r LEFT JOIN work AS w ON w.job_id = %s AND w.pos = json_extract(r.value, '$[1]')
LEFT JOIN attempt AS a ON a.id = json_extract(r.value, '$[0]')
"""
HELD = f"""
SELECT job_id, pos, attempt_id, status, grant_id, reserved_until FROM work
WHERE grant_id IN {MANY} AND grant_id IS NOT NULL ORDER BY job_id, pos
"""
TURN = """
UPDATE work SET status = %s, retries = %s, seconds = seconds + %s, attempts = attempts + %s, attempt_id = NULL,
    grant_id = NULL, reserved_until = NULL, updated = %s, finished = %s, wait_until = %s, result = coalesce(%s, result)
WHERE job_id = %s AND pos = %s
"""
RECORD = f"""
INSERT INTO attempt {ATTEMPT}
VALUES ({", ".join(["%s"] * 15)}, 1, {", ".join(["%s"] * 10)}, '', '', 0)
ON CONFLICT (id) DO UPDATE SET
    ended = CASE WHEN attempt.ended IS NULL OR excluded.ending = 'complete' THEN excluded.ended ELSE attempt.ended END,
    ending = CASE WHEN attempt.ended IS NULL OR excluded.ending = 'complete' THEN excluded.ending
        ELSE attempt.ending END,
    reported = 1, exit_code = excluded.exit_code, signal = excluded.signal, message = excluded.message,
    seconds = excluded.seconds, cpu = excluded.cpu, max_rss = excluded.max_rss, out_from = excluded.out_from,
    out_to = excluded.out_to, err_from = excluded.err_from, err_to = excluded.err_to
"""
DELTA = f"""
INSERT INTO delta (job_id, {COUNTS}, timed, seconds, turned) VALUES ({", ".join(["%s"] * (len(WORDS) + 4))})
"""
FREE = """
SELECT pos, rank, name, package, attempts FROM work INDEXED BY work_pending
WHERE job_id = %s AND status = 320 AND rank >= %s AND (reserved_until IS NULL OR reserved_until < %s)
    AND (%s IS NULL OR avoid_host IS NULL OR avoid_host <> %s OR avoid_until <= %s)
ORDER BY rank LIMIT %s
"""
NUMBERS = """
INSERT INTO counter (name, value) VALUES ('attempt', %s)
ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value
"""
GIVE = """
UPDATE work SET attempt_id = %s, grant_id = %s, subjob = %s, updated = %s, status = %s, reserved_until = %s,
    started = coalesce(%s, started), attempts = %s
WHERE job_id = %s AND pos = %s
"""
SAID = f"""
SELECT attempt_id, pos, name, grant_id, subjob, attempts, job_id FROM work
WHERE grant_id IN {MANY} AND grant_id IS NOT NULL AND attempt_id IN {MANY} AND status = 320 ORDER BY pos
"""
BEGUN = """
UPDATE work SET status = 336, started = %s, updated = %s, reserved_until = NULL, attempts = attempts + 1
WHERE job_id = %s AND pos = %s
"""
BEGAN = f"""
INSERT INTO attempt {ATTEMPT}
VALUES ({", ".join(["%s"] * 13)}, NULL, '', 0, NULL, NULL, '', 0, 0, 0, 0, 0, 0, 0, '', '', 0)
ON CONFLICT (id) DO NOTHING
"""


def _each(sql: str, lines: Sequence[Sequence[Any]]) -> None:
    if lines:
        with connection.cursor() as cursor:
            cursor.executemany(sql, lines)


def _stored(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _read(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


def taken(job: int, said: Sequence[tuple[int, int]]) -> tuple[dict[int, Item], dict[int, Known]]:
    found = ask(TAKEN, [json.dumps(list(said)), job])
    items = {row[5]: Item(*row[5:]) for row in found if row[5] is not None}
    return items, {row[0]: Known(row[1], bool(row[2]), bool(row[3]), row[4]) for row in found if row[0] is not None}


def held(grants: Sequence[int]) -> list[Held]:
    found = ask(HELD, [json.dumps(list(grants))])
    return [Held(job, pos, one, status, grant, _read(until)) for job, pos, one, status, grant, until in found]


def report(who: Owner, lines: Sequence[Line], delta: Delta, *, wait: datetime, now: datetime) -> None:
    at, later = _stored(now), _stored(wait)
    turned = [
        (
            *(line.becomes, line.retries, line.seconds, int(line.was == Status.PENDING), at),
            *(at if line.becomes in (16, 32, 48) else None, later if line.becomes == Status.WAITING else None),
            *(None if line.result is None else json.dumps(line.result), who.job, line.pos),
        )
        for line in lines
        if line.becomes is not None
    ]
    _each(TURN, turned)
    recorded = [
        (
            *(line.attempt, *who, line.pos, line.frame, line.subjob, line.number, line.grant_id),
            *(_stored(now - timedelta(seconds=line.seconds)), at, line.ending, line.exit_code, line.signal),
            *(line.message, line.seconds, line.cpu, line.max_rss),
            *(line.out_from, line.out_to, line.err_from, line.err_to),
        )
        for line in lines
        if line.number
    ]
    _each(RECORD, recorded)
    if delta.turned:
        tell(who.job, delta)


def tell(job: int, delta: Delta) -> None:
    counts = (delta.change.get(status, 0) for status in Status)
    _each(DELTA, [(job, *counts, delta.timed, delta.seconds, delta.turned)])


def claim(
    who: Owner, places: Sequence[Place], *, now: datetime, until: datetime, shun: int | None, rank: int
) -> list[Claimed]:
    at = _stored(now)
    free = ask(FREE, [who.job, rank, at, shun, shun, at, len(places)])
    if not free:
        return []
    last = ask(NUMBERS, [len(free)])[0][0]
    given = list(zip(range(last - len(free) + 1, last + 1), free, places, strict=False))
    _each(GIVE, [_given(who, number, row, place, at, _stored(until)) for number, row, place in given])
    began = [
        (number, row[0], row[2], place.grant, place.subjob, row[4] + 1) for number, row, place in given if place.runs
    ]
    _began(who, began, at)
    return [
        (Frame(number, row[0], row[2], orjson.loads(row[3]) if row[3] else None), place.grant, row[1])
        for number, row, place in given
    ]


def _given(who: Owner, number: int, row: Sequence[Any], place: Place, at: Any, until: Any) -> tuple[Any, ...]:
    pos, attempts = row[0], row[4]
    if place.runs:
        return number, place.grant, place.subjob, at, 336, None, at, attempts + 1, who.job, pos
    return number, place.grant, place.subjob, at, 320, until, None, attempts, who.job, pos


def _began(who: Owner, items: Sequence[tuple[int, int, str, int, int, int]], at: Any) -> None:
    """Items (attempt, position, name, grant, subjob, how often tried) that run from now on."""
    rows_ = [(number, *who, pos, name, subjob, tried, grant, at) for number, pos, name, grant, subjob, tried in items]
    _each(BEGAN, rows_)
    if items:
        turned = "w336:" + ",".join(str(item[1]) for item in items)
        change = {Status.PENDING: -len(items), Status.RUNNING: len(items)}
        tell(who.job, Delta(change, 0, 0.0, turned))


def begin(who: Owner, grants: Sequence[int], attempts: Sequence[int], *, now: datetime) -> int:
    at = _stored(now)
    found = ask(SAID, [json.dumps(list(grants)), json.dumps(list(attempts))])
    _each(BEGUN, [(at, at, row[6], row[1]) for row in found])
    _began(who, [(row[0], row[1], row[2], row[3], row[4], row[5] + 1) for row in found], at)
    return len(found)
