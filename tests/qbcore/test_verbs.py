"""What each verb does to each status, what it answers, and what it leaves in the record."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from qbcore import acting, folding, queries, submission, verbs
from qbcore.models import AttemptRow, HistoryRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in
from tests.make import make_job

pytestmark = pytest.mark.django_db

COMPLETE, FAILED, KILLED, BLOCKED = Status.COMPLETE, Status.FAILED, Status.KILLED, Status.BLOCKED
PENDING, RUNNING, SUSPENDED, WAITING = Status.PENDING, Status.RUNNING, Status.SUSPENDED, Status.WAITING

OF_JOBS: dict[str, dict[Status, Status]] = {
    "kill": dict.fromkeys([PENDING, RUNNING, SUSPENDED, BLOCKED, WAITING], KILLED),
    "retry": dict.fromkeys([COMPLETE, FAILED, KILLED], PENDING),
    "requeue": dict.fromkeys([COMPLETE, FAILED, KILLED], BLOCKED),
    "block": {PENDING: BLOCKED, WAITING: BLOCKED, RUNNING: RUNNING},
    "unblock": {BLOCKED: PENDING},
    "suspend": {RUNNING: SUSPENDED},
    "resume": {SUSPENDED: RUNNING},
    "preempt": {RUNNING: RUNNING},
    "interrupt": {RUNNING: PENDING},
    "migrate": {RUNNING: PENDING},
    "retire": dict.fromkeys([PENDING, RUNNING, SUSPENDED, BLOCKED, WAITING], COMPLETE),
}
ONLY_PLACED = ("suspend", "resume", "preempt", "interrupt", "migrate")  # one subjob of the two is on the host
OF_WORK: dict[str, dict[Status, Status]] = {
    "killwork": dict.fromkeys([PENDING, RUNNING, SUSPENDED, BLOCKED, WAITING], KILLED),
    "retrywork": dict.fromkeys([COMPLETE, FAILED, KILLED], PENDING),
    "requeuework": dict.fromkeys([COMPLETE, FAILED, KILLED], BLOCKED),
    "blockwork": {PENDING: BLOCKED},
    "unblockwork": {BLOCKED: PENDING},
    "retirework": dict.fromkeys([PENDING, RUNNING, SUSPENDED, BLOCKED, WAITING], COMPLETE),
}


def status_of(job: int) -> Status:
    return Status(JobRow.objects.get(pk=job).status)


def items(job: int) -> list[str]:
    return [
        Status(status).word
        for status in WorkRow.objects.filter(job_id=job).order_by("pos").values_list("status", flat=True)
    ]


def places(job: int) -> list[str]:
    found = SubjobRow.objects.filter(job_id=job).order_by("idx").values_list("status", flat=True)
    return [Status(status).word for status in found]


@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.word)
@pytest.mark.parametrize("verb", OF_JOBS)
def test_a_verb_acts_on_jobs_from_its_statuses_only(verb: str, status: Status) -> None:
    job = job_in(status)
    assert status_of(job) == status
    lines = HistoryRow.objects.filter(verb=verb).count()
    changed = getattr(verbs, verb)(job)
    becomes = OF_JOBS[verb].get(status)
    assert status_of(job) == (becomes or status)
    assert changed == ([] if becomes is None else [f"{job}.0"] if verb in ONLY_PLACED else [f"{job}.0", f"{job}.1"])
    assert HistoryRow.objects.filter(verb=verb).count() - lines == bool(changed)


@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.word)
@pytest.mark.parametrize("verb", OF_WORK)
def test_a_verb_acts_on_items_from_their_statuses_only(verb: str, status: Status) -> None:
    job = make_job(frames=dict.fromkeys(Status, 1), subjob=RUNNING)
    item = WorkRow.objects.get(job_id=job.pk, status=status)
    changed = getattr(verbs, verb)(f"{job.pk}:{item.name}")
    becomes = OF_WORK[verb].get(status)
    assert WorkRow.objects.get(job_id=job.pk, pos=item.pos).status == (becomes or status)
    assert changed == ([f"{job.pk}:{item.name}"] if becomes else [])
    counted = Counter(WorkRow.objects.filter(job_id=job.pk).values_list("status", flat=True))
    job.refresh_from_db()
    assert {one: getattr(job, f"n_{one.word}") for one in Status} == {one: counted[one] for one in Status}


@pytest.mark.parametrize("verb", [*OF_JOBS, *OF_WORK])
def test_unknown_ids_are_absent_and_no_error(verb: str) -> None:
    job = job_in(PENDING)
    unknown = [f"{job}:no-such-item", "999999:1"] if verb in OF_WORK else [999999, f"{job}.7"]
    assert getattr(verbs, verb)(unknown) == []
    assert status_of(job) == PENDING


def test_ids_come_singly_in_lists_and_in_comma_lists() -> None:
    first, second, third = (job_in(PENDING) for _ in range(3))
    assert verbs.block(f"{first},{second}", [third]) == [
        f"{job}.{sub}" for job in (first, second, third) for sub in (0, 1)
    ]


def test_a_kill_reaches_every_live_item() -> None:
    job = job_in(RUNNING)
    verbs.kill(job)
    assert items(job) == ["killed"] * 4
    assert set(AttemptRow.objects.values_list("ending", flat=True)) == {"killed"}


def test_a_subjob_killed_by_its_id_hands_its_frame_back() -> None:
    job = job_in(RUNNING)
    assert verbs.kill(f"{job}.0") == [f"{job}.0"]
    assert (places(job), items(job)) == (["killed", "pending"], ["pending"] * 4)
    assert status_of(job) == PENDING


def test_with_the_last_live_subjob_the_live_work_is_killed() -> None:
    job = job_in(RUNNING)
    verbs.kill(f"{job}.1", f"{job}.0")
    assert items(job) == ["killed"] * 4
    assert status_of(job) == KILLED


def test_killing_a_subjob_that_is_over_changes_nothing() -> None:
    job = job_in(PENDING)
    verbs.kill(f"{job}.0")
    assert verbs.kill(f"{job}.0") == []
    assert items(job) == ["pending"] * 4


def test_block_and_unblock_of_one_subjob_leave_the_other() -> None:
    job = job_in(PENDING)
    assert verbs.block(f"{job}.1") == [f"{job}.1"]
    assert places(job) == ["pending", "blocked"]
    assert verbs.unblock(f"{job}.1") == [f"{job}.1"]
    assert places(job) == ["pending", "pending"]


def test_a_job_blocked_while_it_runs_can_be_let_go_before_its_frame_ends() -> None:
    job = job_in(RUNNING)
    verbs.block(job)
    assert (places(job), verbs.block(job)) == (["running", "blocked"], [])
    assert verbs.unblock(job) == [f"{job}.0", f"{job}.1"]
    assert (places(job), status_of(job)) == (["running", "pending"], RUNNING)


def test_a_requeued_job_renders_once_it_is_unblocked() -> None:
    job = job_in(FAILED)
    verbs.requeue(job)
    assert (places(job), items(job)) == (["blocked"] * 2, ["pending"] * 4)
    verbs.unblock(job)
    assert (places(job), status_of(job)) == (["pending"] * 2, PENDING)


def test_a_retry_resets_what_counts_against_an_item() -> None:
    job = job_in(FAILED, retrywork=2)
    assert set(WorkRow.objects.values_list("retries", flat=True)) == {2}
    verbs.retry(job)
    assert set(WorkRow.objects.values_list("retries", "losses", "finished")) == {(0, 0, None)}


def test_one_subjob_of_a_job_that_is_over_cannot_be_retried_alone() -> None:
    job = job_in(COMPLETE)
    assert verbs.retry(f"{job}.0") == []
    assert (status_of(job), places(job)) == (COMPLETE, ["complete"] * 2)


def test_a_killed_subjob_of_a_living_job_can_be_retried() -> None:
    job = job_in(PENDING)
    verbs.kill(f"{job}.1")
    assert verbs.retry(f"{job}.1") == [f"{job}.1"]
    assert places(job) == ["pending", "pending"]


def test_retrying_items_brings_back_as_many_subjobs_as_they_need() -> None:
    job = job_in(COMPLETE)
    verbs.retrywork(f"{job}:3")
    assert (places(job), status_of(job)) == (["pending", "complete"], PENDING)
    verbs.retrywork(f"{job}:*")
    assert (places(job), items(job)) == (["pending", "pending"], ["pending"] * 4)


def test_requeued_items_wait_for_unblockwork() -> None:
    job = job_in(COMPLETE)
    verbs.requeuework(f"{job}:2-3")
    assert (items(job), status_of(job)) == (["complete", "blocked", "blocked", "complete"], BLOCKED)
    verbs.unblockwork(f"{job}:2-3")
    assert (items(job), status_of(job)) == (["complete", "pending", "pending", "complete"], PENDING)


def test_killing_all_items_ends_the_job() -> None:
    job = job_in(SUSPENDED)
    verbs.killwork(f"{job}:*")
    assert (places(job), status_of(job)) == (["complete"] * 2, KILLED)


def test_unblocking_an_item_lifts_what_submit_or_a_dependency_held() -> None:
    parent = job_in(PENDING)
    job = job_in(PENDING, dependency=str(parent))
    assert status_of(job) == BLOCKED
    WorkRow.objects.filter(job_id=job, pos=0).update(status=BLOCKED)
    assert verbs.unblockwork(f"{job}:1") == [f"{job}:1"]
    assert status_of(job) == PENDING


def test_who_did_it_stands_before_what_came_of_it() -> None:
    job = job_in(PENDING)
    with acting.acting_as(acting.Actor("alice", "operator", why="wrong scene")):
        verbs.kill(job)
    rows = HistoryRow.objects.filter(job_id=job).order_by("pk").values_list("actor", "verb", "effect", "why")
    assert list(rows)[1:] == [
        ("alice", "kill", "2 subjobs killed", "wrong scene"),
        ("farm", "killed", "4 killed of 4 frames", ""),
    ]


def test_a_change_of_frames_is_one_line_that_names_them() -> None:
    job = job_in(COMPLETE)
    verbs.retrywork(f"{job}:4", f"{job}:1-2")
    [row] = HistoryRow.objects.filter(verb="retrywork")
    assert (row.frames, row.effect) == ("1-2,4", "3 frames pending")


def test_a_removed_job_leaves_its_record() -> None:
    job = job_in(RUNNING)
    assert verbs.remove(job, 999999) == [job]
    assert not JobRow.objects.exists()
    assert not WorkRow.objects.exists()
    said = [row["comment"] for row in queries.hist(job)]
    assert any("remove" in line for line in said)
    assert any("frame 1 attempt 1" in line and "killed" in line for line in said)


def test_a_job_without_agenda_is_redone_subjob_by_subjob() -> None:
    job = submission.submit({"prototype": "cmdline", "cpus": 2, "package": {"cmdline": "false"}})["id"]
    drive(Hand(slots=1), exits=lambda frame: 1)
    assert (status_of(job), places(job)) == (FAILED, ["failed", "failed"])
    assert verbs.retry(f"{job}.1") == [f"{job}.1"]
    assert (status_of(job), places(job)) == (PENDING, ["failed", "pending"])


def test_a_ranged_job_without_frames_has_nothing_to_redo() -> None:
    job = submission.submit({**FOUR_FRAMES, "agenda": []})["id"]
    assert status_of(job) == COMPLETE
    verbs.retry(job)
    assert (status_of(job), places(job)) == (COMPLETE, ["complete"])


def test_every_verb_of_jobs_and_items_is_in_the_tables() -> None:
    assert set(OF_JOBS) == set(verbs.JOB_VERBS)
    assert set(OF_WORK) == set(verbs.WORK_VERBS)


def test_a_verb_adds_up_what_others_have_left_to_fold() -> None:
    job = job_in(RUNNING)
    folding.sweep()
    found: Any = queries.jobinfo(id=job)[0]
    assert sum(found["todotally"].values()) == 4
    assert sum(found["cpustally"].values()) == 2
