"""Tallies, subjobs and status stay true whatever workers and people do, in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore import folding, submission, verbs
from qbcore.control import work
from qbcore.models import AttemptRow, DeltaRow, DependencyRow, GrantRow, HistoryRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import DONE, LIVE, PLACED, Status, live, rollup
from qbcore.writing import clock
from tests.hand import FOUR_FRAMES, Hand, Obedient, job_in
from tests.make import make_job

pytestmark = pytest.mark.django_db
ROWS = (AttemptRow, DeltaRow, DependencyRow, GrantRow, HistoryRow, HostRow, JobRow, SubjobRow, WorkRow)


@dataclass
class Story:
    """A job, two workers, and what has happened to them."""

    job: int
    workers: list[Obedient]

    def act(self, what: str, which: int) -> None:
        worker = self.workers[which % 2]
        if what in WORKER:
            WORKER[what](worker)
        elif what in verbs.WORK_VERBS:
            getattr(verbs, what)(f"{self.job}:{which}")
        elif what == "cpus":
            submission.modify({"cpus": max(1, which)}, self.job)
        elif what.startswith("sub"):
            getattr(verbs, what.removeprefix("sub"))(f"{self.job}.{which}")
        else:
            getattr(verbs, what)(self.job)


def running(worker: Obedient) -> None:
    worker.sync(running=[attempts[0] for attempts in worker.held.values() if attempts])


WORKER: dict[str, Callable[[Obedient], Any]] = {
    "ask": lambda worker: worker.sync(room=True),
    "running": running,
    "good": lambda worker: worker.end_one(0),
    "bad": lambda worker: worker.end_one(1),
    "die": lambda worker: worker.die(),
}
steps = st.tuples(
    st.one_of(
        st.sampled_from(["ask", "ask", "running", "good", "good", "bad", "die"]),
        st.sampled_from(["ask", *verbs.WORK_VERBS, "cpus"]),
        st.sampled_from([*verbs.JOB_VERBS, *(f"sub{verb}" for verb in verbs.JOB_VERBS)]),
    ),
    st.sampled_from([0, 0, 1, 1, 2, 3, 4, 5]),
)
stories = st.lists(steps, min_size=4, max_size=25)


def check(job: int) -> None:
    """What must hold after every fold."""
    folding.sweep()
    row = JobRow.objects.get(pk=job)
    places = Counter(Status(one) for one in SubjobRow.objects.filter(job_id=job).values_list("status", flat=True))
    items = Counter(Status(one) for one in WorkRow.objects.filter(job_id=job).values_list("status", flat=True))
    assert folding.work_tally(row) == {status: items[status] for status in Status}
    assert folding.subjob_tally(row) == {status: places[status] for status in Status}
    assert row.status == rollup(subjobs=places, work=items, held=bool(row.held)).status
    if row.todo:
        assert row.status not in DONE or not live(items), "a terminal job has live work"
        assert not items[Status.PENDING] or row.held or live(places), "pending work has no live subjob"
    assert (row.timecomplete is not None) == (row.status in DONE)
    check_places(job)


def check_places(job: int) -> None:
    """Whatever runs has a place on a host and an open attempt, and nothing else has."""
    placed = SubjobRow.objects.filter(job_id=job, status__in=PLACED)
    held = WorkRow.objects.filter(job_id=job, status__in=PLACED)
    units = placed.filter(attempt_id__isnull=False)
    opened = {*held.values_list("attempt_id", flat=True), *units.values_list("attempt_id", flat=True)}
    assert set(AttemptRow.objects.filter(job_id=job, ended__isnull=True).values_list("pk", flat=True)) == opened
    grants = set(placed.values_list("grant_id", flat=True))
    assert set(held.values_list("grant_id", flat=True)) <= grants
    assert grants <= set(GrantRow.objects.filter(ended__isnull=True).values_list("pk", flat=True))
    assert held.count() <= placed.count()


def finish(story: Story) -> None:
    """Everything is let go and rendered."""
    places = [f"{story.job}.{idx}" for idx in range(10)]
    for verb in (verbs.resume, verbs.unblock):
        verb(story.job, places)
    verbs.unblockwork(f"{story.job}:*")
    for _ in range(60):
        for worker in story.workers:
            for what in ("good", "ask", "running"):
                story.act(what, story.workers.index(worker))
        folding.sweep()
        over = JobRow.objects.get(pk=story.job).status in DONE
        if over and not any(worker.held or worker.gone for worker in story.workers):
            break
    check(story.job)
    assert JobRow.objects.get(pk=story.job).status in DONE
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
    assert not SubjobRow.objects.filter(status__in=LIVE).exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories, st.integers(1, 3), st.integers(0, 1))
def test_whatever_happens_to_a_job_it_adds_up_and_can_be_finished(
    steps: list[tuple[str, int]], cpus: int, retrywork: int
) -> None:
    for model in ROWS:
        model.objects.all().delete()
    package = {"range": "1-5", "cmdline": "x"}
    job = submission.submit({"prototype": "cmdrange", "cpus": cpus, "retrywork": retrywork, "package": package})["id"]
    story = Story(job, [Obedient("a"), Obedient("b")])
    for what, which in steps:
        story.act(what, which)
        check(job)
    finish(story)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories, st.integers(1, 3))
def test_whatever_happens_to_a_job_without_agenda_it_adds_up_and_can_be_finished(
    steps: list[tuple[str, int]], cpus: int
) -> None:
    for model in ROWS:
        model.objects.all().delete()
    job = submission.submit({"prototype": "cmdline", "cpus": cpus, "package": {"cmdline": "x"}})["id"]
    story = Story(job, [Obedient("a"), Obedient("b")])
    for what, which in steps:
        story.act(what, which)
        check(job)
    finish(story)


def words(job: int) -> tuple[str, str]:
    row = JobRow.objects.get(pk=job)
    return Status(row.status).word, row.reason


def test_a_delta_counts_once_however_often_the_job_is_folded() -> None:
    job = make_job(frames=4)
    items = work.take(job.pk, frm=[Status.PENDING], limit=3)
    work.turn(job.pk, items, Status.COMPLETE, now=clock())
    job.refresh_from_db()
    assert (job.n_pending, job.n_complete) == (4, 0), "a report does not touch the job's row"
    for _ in range(2):
        folding.fold(job.pk)
        job.refresh_from_db()
        assert (job.n_pending, job.n_complete) == (1, 3)


def test_with_the_last_item_the_subjobs_that_wait_are_over() -> None:
    job = make_job(frames={Status.COMPLETE: 4}, cpus=3, subjob=Status.PENDING)
    folding.fold(job.pk)
    assert words(job.pk) == ("complete", "")
    assert set(SubjobRow.objects.values_list("status", flat=True)) == {Status.COMPLETE}


def test_a_subjob_that_was_over_comes_back_for_work_that_nobody_would_do() -> None:
    job = make_job(frames={Status.COMPLETE: 2, Status.PENDING: 2}, cpus=3, subjob=Status.COMPLETE)
    folding.fold(job.pk)
    found = SubjobRow.objects.order_by("idx").values_list("status", flat=True)
    assert list(found) == [Status.PENDING, Status.PENDING, Status.COMPLETE]
    assert words(job.pk) == ("pending", "")


@pytest.mark.parametrize(("left", "becomes"), [(Status.FAILED, "failed"), (Status.KILLED, "killed")])
def test_live_work_without_any_subjob_left_is_over(left: Status, becomes: str) -> None:
    job = make_job(frames={Status.COMPLETE: 1, Status.PENDING: 2}, cpus=2, subjob=left)
    folding.fold(job.pk)
    assert words(job.pk) == (becomes, "no subjob left" if left == Status.FAILED else "")
    assert not WorkRow.objects.filter(status=Status.PENDING).exists()


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.FAILED, Status.KILLED])
def test_the_end_of_a_job_is_one_line_of_history_by_the_farm(status: Status) -> None:
    job = job_in(status)
    folding.sweep()
    folding.fold(job)
    lines = HistoryRow.objects.filter(verb__in=["complete", "failed", "killed"])
    effect = f"4 {status.word} of 4 frames"
    assert list(lines.values_list("actor", "machine", "verb", "effect")) == [("farm", True, status.word, effect)]


def test_a_job_that_lives_again_has_not_ended() -> None:
    job = job_in(Status.COMPLETE)
    before = JobRow.objects.get(pk=job)
    verbs.retrywork(f"{job}:1")
    after = JobRow.objects.get(pk=job)
    assert before.timecomplete is not None
    assert (after.timecomplete, after.timestart) == (None, before.timestart)


def test_what_a_removed_job_left_to_fold_is_forgotten() -> None:
    DeltaRow.objects.create(job_id=424242, pending=-1, running=1)
    folding.sweep()
    assert not DeltaRow.objects.exists()


def test_a_job_that_was_over_before_anybody_looked_has_begun_when_its_subjob_did() -> None:
    job = submission.submit({"prototype": "cmdline", "package": {"cmdline": "true"}})["id"]
    hand = Hand(slots=1)
    hand.begin()
    hand.report()
    folding.sweep()
    row = JobRow.objects.get(pk=job)
    assert (row.status, row.timestart) == (Status.COMPLETE, SubjobRow.objects.get(job_id=job).timestart)


def test_a_job_that_was_killed_before_it_ran_never_began() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    verbs.kill(job)
    row = JobRow.objects.get(pk=job)
    assert (row.status, row.timestart) == (Status.KILLED, None)
