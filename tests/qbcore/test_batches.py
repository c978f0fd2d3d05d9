"""Claims and reports of many grants at once: how many statements they cost, which index they read, and that they count
once however often and in whatever company they come."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qbcore import backend, folding, submission
from qbcore.control import onpostgres, onsqlite
from qbcore.errors import Invalid
from qbcore.models import AttemptRow, DeltaRow, JobRow, WorkRow
from qbcore.states import Status
from qbcore.writing import on_postgres
from tests.hand import Hand

pytestmark = pytest.mark.django_db


def short(slots: int, frames: int = 400) -> tuple[int, Hand]:
    """A job whose frames are short, and a host that holds some of them in each of its grants."""
    package = {"cmdline": "true", "range": f"1-{frames}"}
    job = int(submission.submit({"prototype": "cmdrange", "cpus": slots, "package": package})["id"])
    JobRow.objects.filter(pk=job).update(timed=10, seconds=1.0)
    hand = Hand(f"render-{slots}", slots=slots)
    hand.sync(room=True)
    return job, hand


def reports(hand: Hand, **how: Any) -> list[dict[str, Any]]:
    """All frames in hand have ended."""
    frames, hand.frames = hand.frames, []
    return [hand.ended(grant, frame, **{"elapsed": 0.1, **how}) for grant, frame in frames]


def counted(hand: Hand) -> int:
    """How many statements it takes to report all and to get as many again."""
    lines = reports(hand)
    with CaptureQueriesContext(connection) as asked:
        hand.sync(reports=lines, want=list(hand.held))
    assert len(hand.frames) == len(lines) > len(hand.held)
    return len(asked)


def test_a_request_costs_as_many_statements_for_eight_grants_as_for_one() -> None:
    counts = []
    for slots in (1, 8):
        _, hand = short(slots)
        counted(hand)  # prepares and remembers what a process does once
        counts.append(counted(hand))
    assert counts[0] == counts[1] <= 16


def test_frames_are_dealt_out_to_all_grants_in_the_order_of_rendering() -> None:
    _, hand = short(4)
    hand.sync(reports=reports(hand), want=list(hand.held))
    first = [next(frame["pos"] for grant, frame in hand.frames if grant == one) for one in hand.held]
    assert sorted(first) == list(range(min(first), min(first) + 4))


def test_batches_that_are_sent_twice_and_whose_answer_is_lost_count_once() -> None:
    job, hand = short(3)
    for _ in range(3):
        lines = reports(hand)
        wanted = list(hand.held)
        hand.sync(reports=lines + lines[::2], want=wanted)
        for attempts in hand.held.values():
            attempts.clear()  # the answer was lost
        hand.frames, hand.seq = [], hand.seq - 1
        again = hand.sync(reports=lines, want=wanted)
        assert again["accepted"] == [line["attempt"] for line in lines]
    folding.fold(job)
    row = JobRow.objects.get(pk=job)
    complete = WorkRow.objects.filter(job_id=job, status=Status.COMPLETE)
    assert row.n_complete == complete.count() == AttemptRow.objects.filter(job_id=job, ending="complete").count()
    assert row.n_running == WorkRow.objects.filter(job_id=job, status=Status.RUNNING).count()
    assert not DeltaRow.objects.filter(job_id=job).exists()


def test_an_attempt_that_is_reported_for_two_grants_is_refused_whole() -> None:
    _, hand = short(2)
    one, other = hand.held
    lines = reports(hand)
    mine = next(line for line in lines if line["grant"] == one)
    with pytest.raises(Invalid, match="was not given to grant"):
        said = {"session": hand.session, "seq": hand.seq + 1, "held": {str(grant): [] for grant in hand.held}}
        backend.sync(hand.id, {**said, "reports": [mine, {**mine, "grant": other}]})
    assert not WorkRow.objects.filter(status=Status.COMPLETE).exists()


def plan(sql: str, params: list[Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(("EXPLAIN " if on_postgres() else "EXPLAIN QUERY PLAN ") + sql, params)
        return "\n".join(str(row) for row in cursor.fetchall())


def test_claims_read_the_index_of_pending_items() -> None:
    job, _ = short(1)
    none = "2020-01-01 00:00:00"
    if on_postgres():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE work")
            cursor.execute("SET LOCAL enable_seqscan = off")
        runs = ["{1}", "{0}", none, "{f}", "{f}", none, "{f}", none, "{f}"]
        found = plan(onpostgres.CLAIM, [job, 0, none, None, None, none, 1, *runs, job, job, "", "", "", 1, ""])
    else:
        found = plan(onsqlite.FREE, [job, 0, none, None, None, none, 1])
    assert "work_pending" in found
    assert "Seq Scan" not in found
