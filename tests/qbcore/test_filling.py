"""A long range is answered at once and stored behind the submission; nobody can tell from what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qbcore import filling, housekeeping, jobspec, queries, submission, verbs
from qbcore.models import JobRow, WorkRow
from tests.hand import Hand, drive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long is what has over ten frames here, and five are stored at a time."""
    monkeypatch.setattr(jobspec, "LONG", 10)
    monkeypatch.setattr(filling, "SLICE", 5)


def long_job(text: str = "1-23", **more: Any) -> JobRow:
    job = {"prototype": "cmdrange", "package": {"cmdline": "true", "range": text}, **more}
    return JobRow.objects.get(pk=submission.submit(job)["id"])


def stored(job: JobRow) -> list[tuple[int, int, str]]:
    return list(WorkRow.objects.filter(job_id=job.pk).order_by("pos").values_list("pos", "rank", "name"))


def test_the_answer_counts_all_frames_while_only_the_first_are_stored() -> None:
    job = long_job()
    assert (job.todo, job.n_pending, job.unfilled, len(stored(job))) == (23, 23, 18, 5)
    assert queries.jobinfo(id=job.pk)[0]["todotally"]["pending"] == 23


@pytest.mark.parametrize("text", ["1-23", "23-1", "-5-30x2", "100--20x5", "7-17"])
def test_the_stored_frames_are_those_of_the_range_in_its_order(text: str) -> None:
    job = long_job(text)
    filling.fill(job.pk)
    expected = [str(frame) for frame in jobspec.frameset(text)]
    assert stored(job) == [(pos, pos, name) for pos, name in enumerate(expected)]
    job.refresh_from_db()
    assert (job.unfilled, job.filling) == (0, "")


@pytest.mark.parametrize("more", [{"flags": "p_agenda"}, {"status": "blocked", "flags": "p_agenda"}])
def test_a_range_in_another_order_is_stored_at_once(more: dict[str, Any]) -> None:
    assert long_job(**more).unfilled == 0


def test_a_range_of_a_job_that_waits_for_frames_is_stored_at_once() -> None:
    parent = long_job()
    assert long_job(dependency=f"complete-job-{parent.pk}").unfilled == 0


def test_what_is_stored_renders_before_the_rest_is() -> None:
    long_job()
    hand = Hand(slots=1)
    hand.begin()
    assert hand.report()["name"] == "1"


def test_a_host_that_finds_no_stored_frame_leaves_the_subjob_waiting_for_the_rest() -> None:
    job = long_job("1-11")
    drive(Hand(slots=1))
    assert JobRow.objects.get(pk=job.pk).status == 320
    filling.fill(job.pk)
    assert sorted(map(int, drive(Hand("second", slots=1)))) == list(range(6, 12))
    assert queries.jobinfo(id=job.pk)[0]["status"] == "complete"


def test_killing_the_job_kills_what_was_not_stored_yet_too() -> None:
    job = long_job()
    verbs.kill(job.pk)
    assert queries.jobinfo(id=job.pk)[0]["todotally"]["killed"] == 23
    assert len(stored(job)) == 23


def test_a_verb_on_frames_that_are_not_stored_yet_finds_them() -> None:
    job = long_job()
    assert verbs.blockwork(f"{job.pk}:20-23") == [f"{job.pk}:{name}" for name in range(20, 24)]


def test_a_new_priority_does_not_wait_for_the_rest() -> None:
    job = long_job()
    assert submission.modify({"priority": 5}, job.pk) == [job.pk]
    assert len(stored(job)) == 5


def test_a_removed_job_is_filled_no_more() -> None:
    job = long_job()
    verbs.remove(job.pk)
    filling.fill(job.pk)
    assert stored(job) == []


def test_housekeeping_fills_what_a_dead_process_left() -> None:
    job = long_job()
    assert filling.fill_forgotten() == 0
    JobRow.objects.filter(pk=job.pk).update(updated=job.updated - 2 * filling.STALE)
    assert filling.fill_forgotten() == 1
    assert len(stored(job)) == 23
    assert any(duty.do is filling.fill_forgotten for duty in housekeeping.DUTIES)


def test_a_slice_costs_a_few_statements_however_long_it_is() -> None:
    job = long_job("1-15")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        filling.fill(job.pk)
    inserts = [query for query in asked.captured_queries if "INSERT INTO work" in query["sql"]]
    assert len(inserts) == 2
