"""What is done to many frames or jobs at once costs as many questions as what is done to a few."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qbcore import acting, runs, spans, submission, verbs
from qbcore.control import places, work
from qbcore.errors import Refused
from qbcore.models import HistoryRow, JobRow, UndoRow, WorkRow
from qbcore.states import DONE, Status
from qbcore.writing import listed
from tests.make import make_job

pytestmark = pytest.mark.django_db


def questions(act: Callable[[], object]) -> int:
    with (
        CaptureQueriesContext(
            connection,
        ) as asked,
        acting.acting_as(acting.FARM),
    ):
        act()
    return len(asked)


@pytest.mark.parametrize("verb", ["kill", "retire"])
def test_ending_a_job_asks_as_much_for_many_frames_as_for_a_few(verb: str) -> None:
    few, many = make_job(frames={Status.PENDING: 3}), make_job(frames={Status.PENDING: 300})
    act = getattr(verbs, verb)
    assert questions(lambda: act(many.pk)) == questions(lambda: act(few.pk))
    assert not WorkRow.objects.filter(job_id=many.pk).exclude(status__in=DONE).exists()


def test_a_retry_asks_as_much_for_many_frames_as_for_a_few() -> None:
    few, many = make_job(frames={Status.FAILED: 3}), make_job(frames={Status.FAILED: 300})
    assert questions(lambda: retried(many)) == questions(lambda: retried(few))
    assert JobRow.objects.get(pk=many.pk).n_pending == 300


def retried(job: JobRow) -> None:
    runs.execute(runs.start("retrywork", runs.Selection((job.pk,), statuses=("failed",))), "me")


def test_frames_that_lie_apart_are_retried_and_remembered_as_they_stood() -> None:
    job = make_job(frames={Status.FAILED: 300, Status.COMPLETE: 300})
    WorkRow.objects.filter(job_id=job.pk, pos__lt=300).update(retries=2)
    apart = spans.of(range(0, 600, 2))
    with acting.acting_as(acting.FARM):
        run = runs.start("retrywork", runs.Selection((job.pk,), positions=spans.text(apart)))
        runs.execute(run, "me")
    pending = WorkRow.objects.filter(job_id=job.pk, status=Status.PENDING).order_by("pos")
    assert list(pending.values_list("pos", flat=True)) == list(range(0, 600, 2))
    stood = {(row.stood, row.retries): spans.parse(row.frames) for row in UndoRow.objects.filter(run_id=run)}
    before, after = spans.of(range(0, 300, 2)), spans.of(range(300, 600, 2))
    assert stood == {(Status.COMPLETE, 2): before, (Status.FAILED, 0): after}
    assert HistoryRow.objects.get(verb="retrywork").frames.startswith("1-599")


def test_what_is_alive_is_never_changed_without_being_taken() -> None:
    job = make_job(frames={Status.PENDING: 2})
    with pytest.raises(AssertionError):
        work.standing(job.pk, [(0, 1)], frm=frozenset({Status.PENDING}))


@pytest.mark.parametrize("step", [1, 2])
def test_the_database_puts_neighbours_together(step: int) -> None:
    job = make_job(frames={Status.PENDING: 40})
    positions = range(0, 40, step)
    rows = WorkRow.objects.filter(listed("pos", list(positions)), job_id=job.pk)
    assert places.islands(rows) == {(): spans.of(positions)}
    assert places.islands(rows.none()) == {}


def test_modifying_jobs_alike_asks_as_much_for_many_as_for_a_few() -> None:
    few, many = [make_job().pk for _ in range(2)], [make_job().pk for _ in range(30)]
    changes = {"priority": 7, "notes": "urgent"}
    assert questions(lambda: submission.modify(changes, many)) == questions(lambda: submission.modify(changes, few))
    assert set(JobRow.objects.filter(pk__in=many).values_list("priority", "notes")) == {(7, "urgent")}
    assert HistoryRow.objects.filter(verb="modify", job_id__in=many, effect__contains="→ 7").count() == 30


def test_modifying_jobs_alike_leaves_out_those_that_are_over_and_answers_in_the_order_asked() -> None:
    alive, over, other = make_job(), make_job(frames={Status.COMPLETE: 1}), make_job()
    with acting.acting_as(acting.FARM):
        assert submission.modify({"priority": 3}, other.pk, over.pk, alive.pk) == [other.pk, alive.pk]


def test_one_refusal_leaves_all_jobs_as_they_are() -> None:
    mine, theirs = make_job(user="ann"), make_job(user="bob")
    with acting.acting_as(acting.Actor("ann", "artist")), pytest.raises(Refused):
        submission.modify({"priority": 3}, mine.pk, theirs.pk)
    assert not JobRow.objects.filter(priority=3).exists()
