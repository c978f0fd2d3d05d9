"""The statements of `batches` on PostgreSQL: each act is one, prepared once a connection.

Rows that were locked are changed by their place in the table (`ctid`), which cannot change while they are locked: a
plan that is made once must be right for a job of one frame and for one of a million, and there is no other index to err
by. The JSON of a batch is read as a table, LIMITed to its length so that the planner takes it for a short one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import orjson

from qbcore.control.batches import Claimed, Delta, Frame, Held, Item, Known, Line, Owner, Place
from qbcore.prepared import array
from qbcore.states import Status
from qbcore.writing import ask

WORDS = tuple(status.word for status in Status)
COUNTS = ", ".join(WORDS)
ATTEMPT = (
    '(id, job_id, job_name, show, "user", host_id, host_name, pos, frame, subjob, number, grant_id, started, ended, '
    "ending, reported, exit_code, signal, message, seconds, cpu, max_rss, out_from, out_to, err_from, err_to, "
    "error_line, error_key, overdue)"
)
TAKEN = """
SELECT r.attempt, a.grant_id, a.reported, a.ended IS NOT NULL, a.ending,
    w.pos, w.name, w.status, w.retries, w.attempts, w.attempt_id, w.grant_id, w.place
FROM unnest(%s::bigint[], %s::int[]) AS r(attempt, pos) LEFT JOIN LATERAL (
    SELECT pos, name, status, retries, attempts, attempt_id, grant_id, ctid::text AS place FROM work
    WHERE job_id = %s::bigint AND work.pos = r.pos OFFSET 0 FOR UPDATE
) AS w ON true LEFT JOIN LATERAL (SELECT * FROM attempt WHERE id = r.attempt OFFSET 0) AS a ON true
"""
HELD = """
SELECT job_id, pos, attempt_id, status, grant_id, reserved_until FROM work
WHERE grant_id = ANY(%s::bigint[]) AND grant_id IS NOT NULL ORDER BY job_id, pos
"""
REPORT = f"""
WITH now AS (SELECT %s::timestamptz AS at),
said AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS r(
        attempt bigint, grant_id bigint, subjob int, pos int, frame text, number int, ending text, exit_code int,
        signal int, message text, seconds float8, cpu float8, max_rss bigint, out_from bigint, out_to bigint,
        err_from bigint, err_to bigint, becomes smallint, retries int, was int, result jsonb, place tid
    ) LIMIT %s::int
),
turned AS (
    UPDATE work SET status = said.becomes, retries = said.retries, seconds = work.seconds + said.seconds,
        attempts = attempts + (said.was = 320)::int, attempt_id = NULL, grant_id = NULL, reserved_until = NULL,
        updated = now.at,
        finished = CASE WHEN said.becomes IN (16, 32, 48) THEN now.at END,
        wait_until = CASE WHEN said.becomes = 288 THEN %s::timestamptz END,
        result = coalesce(said.result, work.result)
    FROM said, now
    WHERE work.ctid = ANY(ARRAY(SELECT place FROM said WHERE becomes IS NOT NULL)) AND work.ctid = said.place
    RETURNING work.pos
),
recorded AS (
    INSERT INTO attempt {ATTEMPT}
    SELECT attempt, %s::bigint, %s::text, %s::text, %s::text, %s::bigint, %s::text, pos, frame, subjob, number,
        grant_id, now.at - make_interval(secs => seconds), now.at, ending, true, exit_code, signal, message, seconds,
        cpu, max_rss, out_from, out_to, err_from, err_to, '', '', false
    FROM said, now WHERE number > 0
    ON CONFLICT (id) DO UPDATE SET
        ended = CASE WHEN attempt.ended IS NULL OR excluded.ending = 'complete' THEN excluded.ended
            ELSE attempt.ended END,
        ending = CASE WHEN attempt.ended IS NULL OR excluded.ending = 'complete' THEN excluded.ending
            ELSE attempt.ending END,
        reported = true, exit_code = excluded.exit_code, signal = excluded.signal, message = excluded.message,
        seconds = excluded.seconds, cpu = excluded.cpu, max_rss = excluded.max_rss, out_from = excluded.out_from,
        out_to = excluded.out_to, err_from = excluded.err_from, err_to = excluded.err_to
),
told AS (
    INSERT INTO delta (job_id, {COUNTS}, timed, seconds, turned)
    SELECT %s::bigint, {", ".join(["%s::int"] * len(WORDS))}, %s::int, %s::float8, %s::text WHERE %s::boolean
)
SELECT count(*) FROM turned
"""
BEGAN = f"""
told AS (
    INSERT INTO delta (job_id, {COUNTS}, timed, seconds, turned)
    SELECT %s::bigint, {", ".join({"pending": "-count(*)", "running": "count(*)"}.get(word, "0") for word in WORDS)},
        0, 0, 'w336:' || string_agg(pos::text, ',') FROM given WHERE runs HAVING count(*) > 0
),
recorded AS (
    INSERT INTO attempt {ATTEMPT}
    SELECT attempt_id, %s::bigint, %s::text, %s::text, %s::text, %s::bigint, %s::text, pos, name, subjob, attempts,
        grant_id, updated, NULL, '', false, NULL, NULL, '', 0, 0, 0, 0, 0, 0, 0, '', '', false
    FROM given WHERE runs ON CONFLICT (id) DO NOTHING
)
"""
CLAIM = f"""
WITH free AS MATERIALIZED (
    SELECT ctid AS place, pos, rank FROM work
    WHERE job_id = %s::bigint AND status = 320 AND rank >= %s::int
        AND (reserved_until IS NULL OR reserved_until < %s::timestamptz)
        AND (%s::bigint IS NULL OR avoid_host IS NULL OR avoid_host <> %s::bigint OR avoid_until <= %s::timestamptz)
    ORDER BY rank LIMIT %s::int FOR UPDATE SKIP LOCKED
),
dealt AS MATERIALIZED (
    SELECT place, pos, nextval('attempt_number') AS attempt, row_number() OVER (ORDER BY rank) AS nth FROM free
),
given AS (
    UPDATE work SET attempt_id = dealt.attempt, grant_id = (%s::bigint[])[dealt.nth], subjob = (%s::int[])[dealt.nth],
        updated = %s::timestamptz, status = CASE WHEN (%s::boolean[])[dealt.nth] THEN 336 ELSE 320 END,
        reserved_until = CASE WHEN (%s::boolean[])[dealt.nth] THEN NULL ELSE %s::timestamptz END,
        started = CASE WHEN (%s::boolean[])[dealt.nth] THEN %s::timestamptz ELSE work.started END,
        attempts = attempts + (%s::boolean[])[dealt.nth]::int
    FROM dealt WHERE work.ctid = ANY(ARRAY(SELECT place FROM dealt)) AND work.ctid = dealt.place
    RETURNING work.attempt_id, work.pos, name, package, grant_id, work.rank, subjob, attempts, updated,
        status = 336 AS runs
),
{BEGAN}
SELECT attempt_id, pos, name, package, grant_id, rank FROM given ORDER BY rank
"""
BEGIN = f"""
WITH said AS MATERIALIZED (
    SELECT ctid AS place FROM work
    WHERE grant_id = ANY(%s::bigint[]) AND grant_id IS NOT NULL AND attempt_id = ANY(%s::bigint[]) AND status = 320
    ORDER BY pos FOR UPDATE
),
given AS (
    UPDATE work SET status = 336, started = %s::timestamptz, updated = %s::timestamptz, reserved_until = NULL,
        attempts = attempts + 1
    WHERE ctid = ANY(ARRAY(SELECT place FROM said))
    RETURNING attempt_id, pos, name, grant_id, subjob, attempts, updated, true AS runs
),
{BEGAN}
SELECT count(*) FROM given
"""


def taken(job: int, said: Sequence[tuple[int, int]]) -> tuple[dict[int, Item], dict[int, Known]]:
    ordered = sorted(said, key=itemgetter(1))
    found = ask(TAKEN, [array([one[0] for one in ordered]), array([one[1] for one in ordered]), job])
    items = {row[5]: Item(*row[5:]) for row in found if row[5] is not None}
    return items, {row[0]: Known(*row[1:5]) for row in found if row[1] is not None}


def held(grants: Sequence[int]) -> list[Held]:
    return [Held(*row) for row in ask(HELD, [array(grants)])]


def report(who: Owner, lines: Sequence[Line], delta: Delta, *, wait: datetime, now: datetime) -> None:
    said = orjson.dumps([line._asdict() for line in lines]).decode()
    counts = [delta.change.get(status, 0) for status in Status]
    summed = [who.job, *counts, delta.timed, delta.seconds, delta.turned, any(counts) or bool(delta.turned)]
    ask(REPORT, [now, said, len(lines), wait, *who, *summed])


def claim(
    who: Owner, places: Sequence[Place], *, now: datetime, until: datetime, shun: int | None, rank: int
) -> list[Claimed]:
    runs = "{" + ",".join("t" if place.runs else "f" for place in places) + "}"
    grants, subjobs = array([place.grant for place in places]), array([place.subjob for place in places])
    free = [who.job, rank, now, shun, shun, now, len(places)]
    found = ask(CLAIM, [*free, grants, subjobs, now, runs, runs, until, runs, now, runs, who.job, *who])
    return [
        (Frame(attempt, pos, name, orjson.loads(package) if package else None), grant, at)
        for attempt, pos, name, package, grant, at in found
    ]


def begin(who: Owner, grants: Sequence[int], attempts: Sequence[int], *, now: datetime) -> int:
    return int(ask(BEGIN, [array(grants), array(attempts), now, now, who.job, *who])[0][0])
