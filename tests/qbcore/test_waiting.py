"""What a process knows of the waiting jobs: it reads what it is told of, and finds what it was not told."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qbcore import waiting as rooms
from qbcore.candidates import HostView
from qbcore.models import JobRow
from qbcore.waiting import Waiting
from qbcore.writing import clock
from tests.make import make_job

pytestmark = pytest.mark.django_db
HOST = HostView(id=1, name="render-01", totals={"processors": 4}, jobtypes=None)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The process's clock, to be turned by hand."""
    found = [1000.0]
    monkeypatch.setattr(rooms.time, "monotonic", lambda: found[0])
    return found


def first(known: Waiting) -> int | None:
    choice = known.pick(HOST)
    return choice.job if choice else None


def test_a_job_that_a_hint_names_is_read_at_the_next_pick_and_nothing_else_is(now: list[float]) -> None:
    known, jobs = Waiting(), [make_job() for _ in range(3)]
    assert first(known) == jobs[0].pk
    JobRow.objects.update(status=48, updated=clock())
    known.expire({"kind": "job", "ids": [jobs[0].pk]})
    assert first(known) == jobs[1].pk
    with CaptureQueriesContext(connection) as asked:
        first(known)
    assert not asked


def test_what_nobody_told_is_found_after_a_moment_and_read_once(now: list[float]) -> None:
    known, jobs = Waiting(), [make_job() for _ in range(3)]
    assert first(known) == jobs[0].pk
    JobRow.objects.filter(pk=jobs[0].pk).update(status=48, updated=clock())
    assert first(known) == jobs[0].pk
    now[0] += 0.3
    assert first(known) == jobs[1].pk
    now[0] += 0.3
    with CaptureQueriesContext(connection) as asked:
        first(known)
    assert len(asked) == 1, "it only looks whether anything is new"


@pytest.mark.parametrize("hint", [None, {"kind": "job", "ids": None}, {"kind": "job", "ids": ()}])
def test_a_hint_without_names_means_every_job(hint: dict[str, Any] | None, now: list[float]) -> None:
    known, jobs = Waiting(), [make_job() for _ in range(2)]
    assert first(known) == jobs[0].pk
    JobRow.objects.filter(pk=jobs[0].pk).update(status=48, updated=clock())
    known.expire(hint)
    assert first(known) == jobs[1].pk


def test_a_job_that_was_removed_leaves_when_it_is_named(now: list[float]) -> None:
    known, jobs = Waiting(), [make_job() for _ in range(2)]
    assert first(known) == jobs[0].pk
    gone = jobs[0].pk
    JobRow.objects.filter(pk=gone).delete()
    known.expire({"kind": "job", "ids": [gone]})
    assert first(known) == jobs[1].pk


def test_a_job_none_of_which_could_be_started_is_read_again(now: list[float]) -> None:
    known, job = Waiting(), make_job()
    assert first(known) == job.pk
    known.used(job.pk, started=False)
    assert first(known) is None
    now[0] += 0.3
    assert first(known) == job.pk
