"""What a job waits for, by id or by label, and when it is let go."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, links, queries, submission, verbs
from qbcore.errors import Invalid, QubeError
from qbcore.models import DependencyRow, JobRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in

pytestmark = pytest.mark.django_db


def child_of(*parents: int | str, **given: Any) -> int:
    dependency = ",".join(str(parent) for parent in parents)
    return int(submission.submit({**FOUR_FRAMES, "dependency": dependency, **given})["id"])


def status(job: int) -> str:
    return str(queries.jobinfo(id=job)[0]["status"])


def reason(job: int) -> str:
    return JobRow.objects.get(pk=job).reason


def end(job: int, how: Status) -> None:
    if how == Status.KILLED:
        verbs.kill(job)
    else:
        drive(Hand(f"host-for-{job}-{how.word}"), exits=lambda frame: 0 if how == Status.COMPLETE else 1)


ENDS = (Status.COMPLETE, Status.FAILED, Status.KILLED)
MEETS = {
    "complete-job": {Status.COMPLETE},
    "failed-job": {Status.FAILED},
    "killed-job": {Status.KILLED},
    "done-job": set(ENDS),
}


@pytest.mark.parametrize("how", ENDS, ids=lambda how: how.word)
@pytest.mark.parametrize("link", MEETS)
def test_a_child_is_let_go_by_the_end_that_it_waits_for(link: str, how: Status) -> None:
    parent = job_in(Status.PENDING)
    child = child_of(f"link-{link}-{parent}")
    assert (status(child), reason(child)) == ("blocked", f"waits for {parent} to {links.VERBS[link.split('-')[0]]}")
    submission.modify({"cpus": 1}, child)
    verbs.suspend(child)  # neither lets it go
    end(parent, how)
    folding.sweep()
    assert (status(child) == "blocked") == (how not in MEETS[link])


@pytest.mark.parametrize("how", ENDS, ids=lambda how: how.word)
@pytest.mark.parametrize("link", MEETS)
def test_a_parent_that_is_over_already_counts_at_submit(link: str, how: Status) -> None:
    parent = job_in(how)
    assert status(child_of(f"{link}-{parent}")) == ("pending" if how in MEETS[link] else "blocked")


@pytest.mark.parametrize(
    ("how", "said"),
    [(Status.KILLED, "waits for {}, which was killed"), (Status.FAILED, "waits for {}, which failed")],
    ids=["killed", "failed"],
)
def test_a_child_that_waits_in_vain_says_so_whether_it_came_before_or_after(how: Status, said: str) -> None:
    parent = job_in(Status.PENDING)
    before = child_of(parent)
    end(parent, how)
    after = child_of(parent)
    assert reason(before) == reason(after) == said.format(parent)
    verbs.unblock(before)
    assert (status(before), reason(before)) == ("pending", "")


def test_all_links_of_a_list_must_come_true() -> None:
    first, second = job_in(Status.PENDING), job_in(Status.PENDING)
    child = child_of(first, f"done-job-{second}")
    verbs.kill(second)
    assert status(child) == "blocked"
    end(first, Status.COMPLETE)
    assert status(child) != "blocked"


def test_labels_of_one_call_may_stand_before_or_after() -> None:
    jobs = submission.submit(
        {**FOUR_FRAMES, "name": "last", "dependency": "link-complete-job-mid"},
        {**FOUR_FRAMES, "name": "mid", "label": "mid", "dependency": "link-complete-job-first"},
        {**FOUR_FRAMES, "name": "first", "label": "first"},
    )
    assert [job["status"] for job in jobs] == ["blocked", "blocked", "pending"]
    drive(Hand(slots=8))
    assert [status(job["id"]) for job in jobs] == ["complete"] * 3


def test_a_label_is_looked_for_in_the_process_group_only() -> None:
    parent = submission.submit({**FOUR_FRAMES, "label": "sim"})["id"]
    with pytest.raises(Invalid, match="no job 'sim'"):
        child_of("link-complete-job-sim")
    assert status(child_of("link-complete-job-sim", pgrp=parent)) == "blocked"


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([{"label": "a", "dependency": "complete-job-a"}], "depends on itself"),
        (
            [{"label": "a", "dependency": "done-job-b"}, {"label": "b", "dependency": "done-job-a"}],
            "wait for each other",
        ),
        (
            [
                {"label": "a", "dependency": "done-job-c"},
                {"label": "b", "dependency": "done-job-a"},
                {"label": "c", "dependency": "done-job-b"},
            ],
            "wait for each other",
        ),
        ([{"dependency": "424242"}], "no job '424242'"),
        ([{"label": "a"}, {"dependency": "done-job-b"}], r"label of this call \(a\)"),
        ([{"dependency": "done-job"}], "."),
    ],
)
def test_a_dependency_that_can_never_come_true_is_refused(jobs: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(QubeError, match=said) as refusal:
        submission.submit([{**FOUR_FRAMES, **job} for job in jobs])
    assert refusal.value.to_wire()["field"] == "dependency"
    assert not JobRow.objects.exists()


def test_waiting_for_a_job_that_was_removed_is_in_vain_and_says_so() -> None:
    parent = job_in(Status.COMPLETE)
    verbs.remove(parent)
    child = child_of(parent)
    assert (status(child), reason(child)) == ("blocked", f"waits for {parent}, which was removed")
    verbs.unblock(child)
    assert (status(child), reason(child)) == ("pending", "")


def test_a_parent_that_lives_again_is_waited_for_in_hope() -> None:
    parent = job_in(Status.KILLED)
    child = child_of(parent)
    assert reason(child) == f"waits for {parent}, which was killed"
    verbs.retry(parent)
    assert (status(child), reason(child)) == ("blocked", f"waits for {parent} to complete")


def test_what_came_true_is_forgotten_when_the_parent_lives_again() -> None:
    first, second = job_in(Status.COMPLETE), job_in(Status.PENDING)
    child = child_of(first, second)
    verbs.retry(first)
    verbs.kill(first)
    end(second, Status.COMPLETE)
    assert status(child) == "blocked"
    verbs.retry(first)
    end(first, Status.COMPLETE)
    assert status(child) != "blocked"


def test_a_child_that_was_let_go_is_not_held_again() -> None:
    parent = job_in(Status.COMPLETE)
    child = child_of(parent)
    verbs.retry(parent)
    assert status(child) == "pending"


def test_a_hold_by_hand_outlives_the_dependency() -> None:
    parent, other = job_in(Status.PENDING), job_in(Status.PENDING)
    child = child_of(parent)
    verbs.unblock(child)
    verbs.block(child)
    end(parent, Status.COMPLETE)
    assert status(child) == "blocked"
    assert status(other) != "blocked"


def test_a_job_submitted_blocked_is_let_go_by_its_dependency() -> None:
    parent = job_in(Status.PENDING)
    child = child_of(parent, status="blocked")
    verbs.kill(parent)
    assert status(child) == "blocked"
    verbs.retry(parent)
    end(parent, Status.COMPLETE)
    assert status(child) != "blocked"


def test_removing_a_parent_ends_it_first_and_frees_nobody_else() -> None:
    parent, other = job_in(Status.PENDING), job_in(Status.PENDING)
    glad, vain = child_of(f"done-job-{parent}"), child_of(parent, other)
    verbs.remove(parent)
    assert status(glad) == "pending"
    assert (status(vain), reason(vain)) == ("blocked", f"waits for {parent}, which was removed")
    end(other, Status.COMPLETE)
    assert status(vain) == "blocked"


def test_removing_a_child_leaves_its_parent_alone() -> None:
    parent = job_in(Status.PENDING)
    verbs.remove(child_of(parent))
    end(parent, Status.COMPLETE)
    assert status(parent) == "complete"


def test_a_job_that_is_submitted_once_more_waits_for_the_label_in_its_former_group() -> None:
    sim = {**FOUR_FRAMES, "label": "sim"}
    first, second = submission.submit([sim, {**FOUR_FRAMES, "dependency": "link-complete-job-sim"}])
    again = submission.submit(queries.jobinfo(id=second["id"], agenda=True)[0])["id"]
    assert JobRow.objects.get(pk=again).pgrp == again
    assert DependencyRow.objects.get(job_id=again).parent_id == first["id"]


def test_jobs_that_are_submitted_once_more_together_wait_for_each_other_and_not_for_the_former_ones() -> None:
    sim = {**FOUR_FRAMES, "label": "sim"}
    rows = submission.submit([sim, {**FOUR_FRAMES, "dependency": "link-complete-job-sim"}])
    parent, child = submission.submit([queries.jobinfo(id=row["id"], agenda=True)[0] for row in rows])
    assert DependencyRow.objects.get(job_id=child["id"]).parent_id == parent["id"]


def test_a_label_that_is_nowhere_is_refused_with_the_cure() -> None:
    with pytest.raises(Invalid, match="Submit both jobs together, or name the job's id"):
        child_of("link-complete-job-sim", id=250, pgrp=250)
