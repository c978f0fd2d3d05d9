"""A subjob is placed on a host and given what it does first, in one act: grant, frames, attempts and delta.

On PostgreSQL that is one statement, on SQLite a fixed number of them. Nothing is made when there is nothing to do, so
nothing has to be taken back. Jobs with flight checks are placed step by step instead: see `placements`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from django.db import connection

from qbcore.control import onsqlite
from qbcore.control.batches import Delta, Frame, Owner, Place
from qbcore.control.flights import UNIT, has_process
from qbcore.control.onpostgres import ATTEMPT, BEGAN, COUNTS, WORDS
from qbcore.control.placements import RESERVED_SECONDS
from qbcore.models import GrantRow, HostRow, JobRow
from qbcore.prepared import array
from qbcore.writing import ask, on_postgres


@dataclass(frozen=True, slots=True)
class Placing:
    """Who is placed where. *out*: subjobs that stay; *shun*: the host, when items that failed there are kept from it.

    *count*: how many frames at most; the first one runs at once, the others are reserved.
    """

    job: JobRow
    host: HostRow
    taken: dict[str, float]
    count: int
    out: Collection[int] = ()
    shun: int | None = None

    @property
    def who(self) -> Owner:
        return Owner(self.job.pk, self.job.name, self.job.show, self.job.user, self.host.pk, self.host.name)


class Placed(NamedTuple):
    """What came of it: a grant with frames; or none, because no subjob waits (`waits` is False) or no frame is free."""

    grant: GrantRow | None
    frames: list[Frame]
    waits: bool


SUB = """
sub AS MATERIALIZED (
    SELECT idx FROM subjob WHERE job_id = %s::bigint AND status = 320 AND NOT idx = ANY(%s::int[])
    ORDER BY idx LIMIT 1 FOR UPDATE SKIP LOCKED
)
"""
GRANTED = """
    INSERT INTO placement (job_id, idx, host_id, host_name, taken, started, ending, overdue, logs)
    SELECT %s::bigint, idx, %s::bigint, %s::text, %s::jsonb, %s::timestamptz, '', false, '' FROM sub
"""
SEATED = """
    UPDATE subjob SET status = 336, asked = '', told = '', grant_id = granted.id, host_id = %s::bigint,
        host_name = %s::text, timestart = %s::timestamptz, timecomplete = NULL, updated = %s::timestamptz{also}
    FROM granted WHERE subjob.job_id = %s::bigint AND subjob.idx = granted.idx
"""
TOLD = f"""
    INSERT INTO delta (job_id, {COUNTS}, timed, seconds, turned)
    SELECT %s::bigint, {", ".join("0" for _ in WORDS)}, 0, 0, 's336:' || idx || ';a336:' || idx FROM granted
"""
FRAMES = f"""
WITH {SUB},
free AS MATERIALIZED (
    SELECT ctid AS place, pos, rank FROM work
    WHERE job_id = %s::bigint AND status = 320 AND EXISTS (SELECT FROM sub)
        AND (reserved_until IS NULL OR reserved_until < %s::timestamptz)
        AND (%s::bigint IS NULL OR avoid_host IS NULL OR avoid_host <> %s::bigint OR avoid_until <= %s::timestamptz)
    ORDER BY rank LIMIT %s::int FOR UPDATE SKIP LOCKED
),
granted AS ({GRANTED} WHERE EXISTS (SELECT FROM free) RETURNING id, idx),
seated AS ({SEATED.format(also="")}),
placed AS ({TOLD}),
dealt AS MATERIALIZED (
    SELECT place, pos, nextval('attempt_number') AS attempt, row_number() OVER (ORDER BY rank) = 1 AS runs FROM free
),
given AS (
    UPDATE work SET attempt_id = dealt.attempt, grant_id = granted.id, subjob = granted.idx, updated = %s::timestamptz,
        status = CASE WHEN dealt.runs THEN 336 ELSE 320 END,
        reserved_until = CASE WHEN dealt.runs THEN NULL ELSE %s::timestamptz END,
        started = CASE WHEN dealt.runs THEN %s::timestamptz ELSE work.started END, attempts = attempts + dealt.runs::int
    FROM dealt, granted WHERE work.ctid = ANY(ARRAY(SELECT place FROM dealt)) AND work.ctid = dealt.place
    RETURNING work.attempt_id, work.pos, name, package, grant_id, work.rank, subjob, attempts, updated,
        status = 336 AS runs
),
{BEGAN}
SELECT sub.idx, granted.id, attempt_id, pos, name, package
FROM (SELECT 1) AS one LEFT JOIN sub ON true LEFT JOIN granted ON true LEFT JOIN given ON true ORDER BY rank
"""
ITSELF = f"""
WITH {SUB},
granted AS ({GRANTED} RETURNING id, idx),
numbered AS MATERIALIZED (SELECT nextval('attempt_number') AS attempt FROM sub),
seated AS ({SEATED.format(also=", attempt_id = (SELECT attempt FROM numbered)")}),
placed AS ({TOLD}),
recorded AS (
    INSERT INTO attempt {ATTEMPT}
    SELECT numbered.attempt, %s::bigint, %s::text, %s::text, %s::text, %s::bigint, %s::text, {UNIT}, '', granted.idx,
        1 + (SELECT count(*) FROM attempt AS old WHERE old.job_id = %s::bigint AND old.pos = {UNIT}
             AND old.subjob = granted.idx AND old.frame = ''),
        granted.id, %s::timestamptz, NULL, '', false, NULL, NULL, '', 0, 0, 0, 0, 0, 0, 0, '', '', false
    FROM granted, numbered
)
SELECT sub.idx, granted.id, numbered.attempt FROM (SELECT 1) AS one
LEFT JOIN sub ON true LEFT JOIN granted ON true LEFT JOIN numbered ON true
"""


def in_one(job: JobRow) -> bool:
    """Whether the job's subjobs can be placed in one act: they begin with their own process, or with a frame."""
    return not (job.preflights or job.postflights)


def finds(job: JobRow) -> bool:
    """Whether placing it looks itself for something to do; a program is placed before it asks for its first item."""
    return in_one(job) and not (job.todo and has_process(job))


def place(wanted: Placing, *, now: datetime) -> Placed:
    """The job's lowest pending subjob on the host, with its first frames, or with its own attempt."""
    if on_postgres():
        return _itself(wanted, now) if has_process(wanted.job) else _with_frames(wanted, now)
    return _on_sqlite(wanted, now)


def _grant(wanted: Placing, number: int, idx: int, now: datetime) -> GrantRow:
    host = wanted.host
    return GrantRow(
        id=number, job_id=wanted.job.pk, idx=idx, host_id=host.pk, host_name=host.name, taken=wanted.taken, started=now
    )


def _seat(wanted: Placing, now: datetime) -> tuple[list[Any], list[Any]]:
    """The parameters of the subjob that is looked for, and of all that is written of it."""
    job, host = wanted.job.pk, (wanted.host.pk, wanted.host.name)
    granted = [job, *host, orjson.dumps(wanted.taken).decode(), now]
    return [job, array(sorted(wanted.out))], [*granted, *host, now, now, job]


def _with_frames(wanted: Placing, now: datetime) -> Placed:
    job, shun = wanted.job.pk, wanted.shun
    until = now + timedelta(seconds=RESERVED_SECONDS)
    sub, seated = _seat(wanted, now)
    free = [job, now, shun, shun, now, wanted.count]
    found = ask(FRAMES, [*sub, *free, *seated, job, now, until, now, job, *wanted.who])
    idx, number = found[0][:2]
    if number is None:
        return Placed(None, [], idx is not None)
    frames = [Frame(one, pos, name, orjson.loads(pack) if pack else None) for _, _, one, pos, name, pack in found]
    return Placed(_grant(wanted, number, idx, now), frames, waits=True)


def _itself(wanted: Placing, now: datetime) -> Placed:
    sub, seated = _seat(wanted, now)
    [(idx, number, attempt)] = ask(ITSELF, [*sub, *seated, wanted.job.pk, *wanted.who, wanted.job.pk, now])
    if idx is None:
        return Placed(None, [], waits=False)
    return Placed(_grant(wanted, number, idx, now), [Frame(attempt, UNIT, "", None)], waits=True)


# -- SQLite: no other writer is beside this one --------------------------------------------------------------------

LOWEST = """
SELECT idx FROM subjob WHERE job_id = %s AND status = 320 AND idx NOT IN (SELECT value FROM json_each(%s))
ORDER BY idx LIMIT 1
"""
GRANT = """
INSERT INTO placement (job_id, idx, host_id, host_name, taken, started, ending, overdue, logs)
VALUES (%s, %s, %s, %s, %s, %s, '', 0, '') RETURNING id
"""
SEAT = """
UPDATE subjob SET status = 336, asked = '', told = '', grant_id = %s, host_id = %s, host_name = %s, timestart = %s,
    timecomplete = NULL, updated = %s, attempt_id = coalesce(%s, attempt_id) WHERE job_id = %s AND idx = %s
"""
TRIED = "SELECT count(*) FROM attempt WHERE job_id = %s AND pos = -1 AND subjob = %s AND frame = ''"


def _on_sqlite(wanted: Placing, now: datetime) -> Placed:
    job, host, at = wanted.job.pk, wanted.host, connection.ops.adapt_datetimefield_value(now)
    found = ask(LOWEST, [job, json.dumps(sorted(wanted.out))])
    itself = has_process(wanted.job)
    if not found:
        return Placed(None, [], waits=False)
    if not itself and not ask(onsqlite.FREE, [job, 0, at, wanted.shun, wanted.shun, at, 1]):
        return Placed(None, [], waits=True)
    idx = found[0][0]
    number = ask(GRANT, [job, idx, host.pk, host.name, json.dumps(wanted.taken), at])[0][0]
    attempt = ask(onsqlite.NUMBERS, [1])[0][0] if itself else None
    ask(SEAT, [number, host.pk, host.name, at, at, attempt, job, idx])
    onsqlite.tell(job, Delta({}, 0, 0.0, f"s336:{idx};a336:{idx}"))
    grant = _grant(wanted, number, idx, now)
    if attempt is None:
        return Placed(grant, _claimed(wanted, grant, now), waits=True)
    tried = ask(TRIED, [job, idx])[0][0]
    ask(onsqlite.BEGAN, [attempt, *wanted.who, UNIT, "", idx, tried + 1, number, at])
    return Placed(grant, [Frame(attempt, UNIT, "", None)], waits=True)


def _claimed(wanted: Placing, grant: GrantRow, now: datetime) -> list[Frame]:
    until = now + timedelta(seconds=RESERVED_SECONDS)
    places = [Place(grant.pk, grant.idx, nth == 0) for nth in range(wanted.count)]
    claimed = onsqlite.claim(wanted.who, places, now=now, until=until, shun=wanted.shun, rank=0)
    return [frame for frame, _, _ in claimed]
