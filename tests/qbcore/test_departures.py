"""Subjobs that leave their hosts by order, and jobs that change places in the queue."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import acting, folding, precedence, queries, submission, verbs
from qbcore.acting import Actor
from qbcore.errors import Refused
from qbcore.models import AttemptRow, ExclusionRow, HistoryRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive, job_in

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, **given})["id"])


def places(job: int) -> list[str]:
    found = SubjobRow.objects.filter(job_id=job).order_by("idx").values_list("status", flat=True)
    return [Status(status).word for status in found]


def items(job: int) -> list[str]:
    found = WorkRow.objects.filter(job_id=job).order_by("pos").values_list("status", flat=True)
    return [Status(status).word for status in found]


def endings(job: int) -> list[str]:
    return list(AttemptRow.objects.filter(job_id=job).order_by("pk").values_list("ending", flat=True))


def gone(worker: Obedient) -> None:
    """It hears what to end, and says that it has."""
    worker.sync()
    worker.sync()


def test_a_preempted_subjob_ends_its_frame_and_waits_for_a_host_again() -> None:
    job = submit()
    worker = Obedient(slots=2)
    worker.begin()
    assert verbs.preempt(f"{job}.0") == [f"{job}.0"]
    assert verbs.preempt(job) == [f"{job}.1"], "the first has been told already"
    assert items(job)[:2] == ["running", "running"]
    for _ in range(2):
        worker.end_one(0)
    gone(worker)
    folding.sweep()
    assert (places(job), items(job)) == (["pending"] * 2, ["complete"] * 2 + ["pending"] * 2)
    assert endings(job) == ["complete"] * 2
    assert drive(worker) == ["3", "4"]


def test_the_flag_uninterruptible_does_not_stop_a_person() -> None:
    job = submit(flags="uninterruptible")
    Hand(slots=1).begin()
    assert verbs.preempt(job) == [f"{job}.0"]
    assert verbs.interrupt(job) == [f"{job}.0"]


def test_a_subjob_that_is_to_be_blocked_after_its_frame_is_not_preempted() -> None:
    job = submit()
    Hand(slots=2).begin()
    verbs.block(f"{job}.0")
    assert verbs.preempt(job) == [f"{job}.1"]
    assert SubjobRow.objects.get(job_id=job, idx=0).asked == "blocked"


def test_an_interrupted_frame_is_done_again_and_counts_for_nothing() -> None:
    job = submit()
    worker = Obedient(slots=2)
    worker.begin()
    assert verbs.interrupt(job) == [f"{job}.0", f"{job}.1"]
    assert (places(job), items(job), endings(job)) == (["pending"] * 2, ["pending"] * 4, ["interrupted"] * 2)
    gone(worker)
    assert sorted(drive(worker)) == ["1", "2", "3", "4"]
    assert queries.jobinfo(id=job)[0]["status"] == "complete"
    assert set(WorkRow.objects.values_list("retries", flat=True)) == {0}


def test_an_interrupted_subjob_of_a_job_that_is_being_blocked_is_blocked() -> None:
    job = submit()
    Hand(slots=2).begin()
    verbs.block(job)
    verbs.interrupt(job)
    assert (places(job), queries.jobinfo(id=job)[0]["status"]) == (["blocked"] * 2, "blocked")


def test_an_interrupted_unit_without_agenda_starts_anew() -> None:
    job = int(submission.submit({"prototype": "cmdline", "package": {"cmdline": "true"}})["id"])
    worker = Obedient(slots=1)
    worker.begin()
    assert verbs.interrupt(job) == [f"{job}.0"]
    assert endings(job) == ["interrupted"]
    gone(worker)
    drive(worker)
    assert (places(job), endings(job)) == (["complete"], ["interrupted", "complete"])


def test_a_migrated_subjob_is_noted_with_its_host_once() -> None:
    job = submit()
    worker = Obedient(slots=2)
    worker.begin()
    for _ in range(2):
        assert verbs.migrate(f"{job}.1") == [f"{job}.1"]
        for _ in range(3):
            worker.sync(room=True)
        worker.begin()
    [row] = ExclusionRow.objects.all()
    assert (row.job_id, row.idx, row.host_id, row.cause) == (job, 1, worker.id, "migrate")
    verbs.remove(job)
    assert not ExclusionRow.objects.exists()


def test_of_two_hosts_a_subjob_that_is_migrated_again_goes_back_to_the_first() -> None:
    job = submit(cpus=1)
    first, second = Obedient("render-01", slots=1), Obedient("render-02", slots=1)
    for asks_first, gets_it in ((first, first), (first, second), (second, first)):
        for one in (asks_first, first, second):
            one.sync(room=True)
        assert SubjobRow.objects.get(job_id=job).host_id == gets_it.id
        gets_it.begin()
        verbs.migrate(job)
        gone(gets_it)
    assert ExclusionRow.objects.get().host_id == first.id


def test_a_retired_job_is_complete_without_rendering() -> None:
    job = submit()
    worker = Obedient(slots=1)
    worker.begin()
    assert verbs.retire(job) == [f"{job}.0", f"{job}.1"]
    assert (places(job), items(job), endings(job)) == (["complete"] * 2, ["complete"] * 4, ["interrupted"])
    worker.sync()
    assert drive(worker) == []


def test_a_retired_subjob_hands_its_frame_back_and_stays_retired() -> None:
    job = submit(cpus=3)
    worker = Obedient(slots=3)
    worker.begin()
    assert verbs.retire(f"{job}.0") == [f"{job}.0"]
    folding.sweep()
    assert (places(job), items(job)[0]) == (["complete", "running", "running"], "pending")
    gone(worker)
    assert sorted(drive(worker)) == ["1", "2", "3", "4"]
    assert AttemptRow.objects.filter(job_id=job, subjob=0).count() == 1


def test_with_the_last_subjob_the_work_is_retired() -> None:
    job = submit()
    verbs.retire(f"{job}.1")
    assert items(job) == ["pending"] * 4
    verbs.retire(f"{job}.0")
    assert (items(job), queries.jobinfo(id=job)[0]["status"]) == (["complete"] * 4, "complete")


def test_frames_retired_one_by_one_end_the_job() -> None:
    job = submit()
    assert verbs.retirework(f"{job}:1-3") == [f"{job}:1", f"{job}:2", f"{job}:3"]
    assert queries.jobinfo(id=job)[0]["status"] == "pending"
    verbs.retirework(f"{job}:4")
    assert (places(job), queries.jobinfo(id=job)[0]["status"]) == (["complete"] * 2, "complete")


def test_a_job_that_does_not_complete_by_itself_waits_for_more_until_it_is_retired() -> None:
    job = job_in(Status.PENDING, flags="disable_auto_complete")
    worker = Obedient(slots=2)
    drive(worker)
    assert (places(job), queries.jobinfo(id=job)[0]["status"]) == (["waiting"] * 2, "waiting")
    verbs.retrywork(f"{job}:2")
    assert places(job) == ["pending"] * 2
    assert drive(worker) == ["2"]
    assert places(job) == ["waiting"] * 2
    assert verbs.retire(job) == [f"{job}.0", f"{job}.1"]
    assert queries.jobinfo(id=job)[0]["status"] == "complete"


# -- top and bottom ------------------------------------------------------------------------------------------------


def queue() -> list[int]:
    return list(JobRow.objects.order_by("priority", "localorder", "pk").values_list("pk", flat=True))


def test_jobs_move_before_and_behind_all_others_of_their_priority_and_stay_in_order() -> None:
    one, two, three, four = (submit(priority=5) for _ in range(4))
    urgent = submit(priority=1)
    assert precedence.top(four, f"{three}.0", 424242) == [four, three]
    assert queue() == [urgent, three, four, one, two]
    assert precedence.bottom([three, one]) == [three, one]
    assert queue() == [urgent, four, two, three, one]
    assert precedence.top(one) == [one]
    assert queue() == [urgent, one, four, two, three]


def test_a_move_that_changes_nothing_answers_the_id_and_leaves_no_line() -> None:
    first, _ = submit(), submit()
    precedence.top(first)
    lines = HistoryRow.objects.count()
    assert precedence.top(first) == precedence.top([first, first]) == [first]
    assert HistoryRow.objects.count() == lines


def test_the_next_host_takes_what_was_moved_to_the_top() -> None:
    _, later = submit(cpus=1), submit(cpus=1)
    precedence.top(later)
    assert Hand(slots=1).sync(room=True)["starts"][0]["job"]["id"] == later


def test_of_several_jobs_none_is_moved_when_one_is_refused() -> None:
    mine, theirs = submit(), submit()
    JobRow.objects.filter(pk=mine).update(user="mira")
    with acting.acting_as(Actor("mira", "artist")), pytest.raises(Refused):
        precedence.top(mine, theirs)
    assert set(JobRow.objects.values_list("localorder", flat=True)) == {0}
