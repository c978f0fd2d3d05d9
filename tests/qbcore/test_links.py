"""Items wait for items of another job: frame by frame, in chunks, and for those that a dependency names."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import queries, submission, verbs
from qbcore.errors import Invalid
from qbcore.models import JobRow, WaitRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in

pytestmark = pytest.mark.django_db


def submit(*names: str, **given: Any) -> int:
    job = {"prototype": "cmdrange", "package": {"cmdline": "true"}, "agenda": list(names), **given}
    return int(submission.submit(job)["id"])


def statuses(job: int) -> list[str]:
    return [item["status"] for item in queries.jobinfo(id=job, agenda=True)[0]["agenda"]]


def job(number: int) -> tuple[str, str]:
    found = JobRow.objects.get(pk=number)
    return Status(found.status).word, found.reason


def finish(parent: int, *names: str) -> None:
    """These items are complete, and nobody has rendered anything else."""
    assert verbs.retirework([f"{parent}:{name}" for name in names])


def test_each_item_is_let_go_by_the_item_of_its_frame() -> None:
    parent = submit("1", "2", "3")
    child = submit("3", "2", "1", dependency=f"complete-work-{parent}")
    assert statuses(child) == ["blocked"] * 3
    assert job(child) == ("blocked", f"waits for frames of {parent}")
    finish(parent, "2")
    assert statuses(child) == ["blocked", "pending", "blocked"]
    finish(parent, "1", "3")
    assert statuses(child) == ["pending"] * 3
    assert not WaitRow.objects.exists()


@pytest.mark.parametrize(
    ("parents", "child", "done", "free"),
    [
        (["1", "2", "3", "4"], ["1-2", "3-4"], ["1", "2", "3"], ["pending", "blocked"]),
        (["1-2", "3-4"], ["1", "2", "3", "4"], ["1-2"], ["pending", "pending", "blocked", "blocked"]),
        (["1-2", "3-4"], ["1-3", "4"], ["3-4"], ["blocked", "pending"]),
        (["a", "b"], ["b", "a"], ["b"], ["pending", "blocked"]),
        (["1", "2"], ["1", "7"], ["1"], ["pending", "blocked"]),
        (["1", "2"], ["1", "7"], ["1", "2"], ["pending", "pending"]),
        (["1", "1", "2"], ["1"], ["1"], ["pending"]),
    ],
)
def test_frames_are_compared_as_sets(parents: list[str], child: list[str], done: list[str], free: list[str]) -> None:
    parent = submit(*parents)
    waiting = submit(*child, dependency=f"complete-work-{parent}")
    finish(parent, *done)
    assert statuses(waiting) == free


def test_what_is_so_already_counts_at_submit() -> None:
    parent = submit("1", "2")
    finish(parent, "1")
    assert statuses(submit("1", "2", dependency=f"complete-work-{parent}")) == ["pending", "blocked"]
    finish(parent, "2")
    child = submit("1", "2", dependency=f"complete-work-{parent}")
    assert (statuses(child), job(child)) == (["pending", "pending"], ("pending", ""))


def test_a_chain_of_frames_renders_to_its_end() -> None:
    jobs = submission.submit(
        {**FOUR_FRAMES, "label": "sim"},
        {**FOUR_FRAMES, "label": "lit", "dependency": "link-complete-work-sim"},
        {**FOUR_FRAMES, "dependency": "link-complete-work-lit,complete-work-sim"},
    )
    drive(Hand(slots=2))
    assert [job(one["id"])[0] for one in jobs] == ["complete"] * 3
    assert not WaitRow.objects.exists()


def test_an_item_waits_for_all_links_as_they_are_then() -> None:
    first, second = submit("1"), submit("1")
    child = submit("1", dependency=f"complete-work-{first},done-work-{second}")
    finish(first, "1")
    verbs.requeuework(f"{first}:1")
    finish(second, "1")
    assert statuses(child) == ["blocked"]
    finish(first, "1")
    assert statuses(child) == ["pending"]


def test_a_job_link_beside_a_work_link_holds_the_whole_job() -> None:
    first, second = submit("1"), submit("1")
    child = submit("1", dependency=f"complete-work-{first},{second}")
    finish(first, "1")
    assert (job(child)[0], statuses(child)) == ("blocked", ["pending"])
    finish(second, "1")
    assert job(child) == ("pending", "")


def test_items_that_wait_in_vain_say_so_and_a_retry_gives_hope() -> None:
    parent = submit("1", "2")
    child = submit("1", "2", dependency=f"complete-work-{parent}")
    drive(Hand(), exits=lambda frame: int(frame["name"]) - 1)
    assert statuses(child) == ["complete", "blocked"]
    assert job(child) == ("blocked", f"waits for {parent}, which failed")
    verbs.retrywork(f"{parent}:2")
    assert job(child) == ("blocked", f"waits for frames of {parent}")
    drive(Hand("render-02"))
    assert (statuses(child), job(child)) == (["complete", "complete"], ("complete", ""))


def test_unblocking_the_job_lets_all_items_go_and_an_item_only_itself() -> None:
    parent = submit("1", "2", "3")
    child = submit("1", "2", "3", dependency=f"complete-work-{parent}")
    assert verbs.unblockwork(f"{child}:2") == [f"{child}:2"]
    assert statuses(child) == ["blocked", "pending", "blocked"]
    other = submit("1", "2", dependency=f"complete-work-{parent}")
    assert verbs.unblock(other) == [f"{other}.0"]
    assert (statuses(other), job(other)) == (["pending", "pending"], ("pending", ""))
    assert set(WaitRow.objects.values_list("job_id", "pos")) == {(child, 0), (child, 2)}


def test_items_blocked_by_hand_are_not_let_go() -> None:
    parent = submit("1", "2")
    child = submit("1", "2", dependency=f"complete-work-{parent}")
    verbs.unblockwork(f"{child}:1")
    verbs.blockwork(f"{child}:1")
    finish(parent, "1", "2")
    assert statuses(child) == ["blocked", "pending"]


def test_items_submitted_blocked_are_let_go_by_their_link() -> None:
    parent = submit("1")
    agenda = [{"name": "1", "status": "blocked"}, {"name": "2", "status": "blocked"}]
    child = submit(dependency=f"complete-work-{parent}", agenda=agenda)
    finish(parent, "1")
    assert statuses(child) == ["pending", "pending"]


def test_a_killed_child_that_is_retried_waits_no_more() -> None:
    parent = submit("1", "2")
    child = submit("1", "2", dependency=f"complete-work-{parent}")
    verbs.kill(child)
    assert not WaitRow.objects.exists()
    verbs.retry(child)
    assert statuses(child) == ["pending", "pending"]


def test_a_long_item_waits_for_all_that_it_covers() -> None:
    parent = submit(package={"cmdline": "true", "range": "1-600"}, agenda=None)
    child = submit("1-600", dependency=f"done-work-{parent}")
    verbs.killwork(f"{parent}:*")
    assert statuses(child) == ["pending"]
    verbs.retrywork(f"{parent}:300-310")
    other = submit("1-600", dependency=f"killed-work-{parent}")
    verbs.killwork(f"{parent}:305")
    verbs.killwork(f"{parent}:300-304")
    assert statuses(other) == ["blocked"]
    verbs.killwork(f"{parent}:306-310")
    assert statuses(other) == ["pending"]


def test_a_job_waits_for_the_item_that_is_named() -> None:
    parent = submit("1", "2", "3", label="sim")
    one, two = submit("9", dependency=f"complete-work-{parent}:2"), submit("9", dependency=f"done-work-{parent}:1-2")
    assert job(one) == ("blocked", f"waits for frame 2 of {parent}")
    finish(parent, "2")
    assert (job(one), job(two)[0]) == (("pending", ""), "blocked")
    verbs.killwork(f"{parent}:1")
    assert job(two)[0] == "pending"


def test_an_item_that_is_not_there_is_refused() -> None:
    parent = submit("1", "2")
    with pytest.raises(Invalid, match="has no item '7' to wait for"):
        submit("1", dependency=f"complete-work-{parent}:7")


def test_a_job_waits_for_the_subjob_that_is_named_or_for_all() -> None:
    jobs = submission.submit(
        {**FOUR_FRAMES, "label": "sim"},
        {**FOUR_FRAMES, "dependency": "killed-subjob-sim.1"},
        {**FOUR_FRAMES, "dependency": "killed-subjob-sim"},
    )
    parent, one, both = (found["id"] for found in jobs)
    verbs.kill(f"{parent}.1")
    assert (job(one), job(both)[0]) == (("pending", ""), "blocked")
    verbs.kill(f"{parent}.0")
    assert job(both)[0] == "pending"


@pytest.mark.parametrize("number", ["x", "1x", "-1"])
def test_what_is_no_number_of_a_subjob_is_refused(number: str) -> None:
    with pytest.raises(Invalid, match="no number of a subjob"):
        submit("1", dependency=f"done-subjob-{submit('1')}.{number}")


def test_a_job_without_items_waits_for_the_whole_job_and_the_other_way_round() -> None:
    line = {"prototype": "cmdline", "package": {"cmdline": "true"}}
    parent = submit("1", "2")
    child = submission.submit({**line, "dependency": f"complete-work-{parent}"})["id"]
    after = submit("1", dependency=f"complete-work-{child}")
    assert (job(child)[0], job(after)[0]) == ("blocked", "blocked")
    drive(Hand())
    assert [job(one)[0] for one in (parent, child, after)] == ["complete"] * 3


def test_a_long_range_is_stored_whole_before_it_is_tied() -> None:
    parent = submit(package={"cmdline": "true", "range": "1-60000"}, agenda=None)
    child = submit(package={"cmdline": "true", "range": "1-60000"}, agenda=None, dependency=f"killed-work-{parent}")
    assert WaitRow.objects.filter(job_id=child).count() == 60_000
    verbs.killwork(f"{parent}:1-59999")
    [found] = queries.jobinfo(id=child)
    assert (found["todotally"]["pending"], found["todotally"]["blocked"]) == (59_999, 1)


def test_a_removed_parent_leaves_its_items_waiting_and_says_so() -> None:
    parent = submit("1", "2")
    finish(parent, "1")
    other = submit("1")
    child = submit("1", "2", dependency=f"complete-work-{parent},complete-work-{other}")
    verbs.remove(parent)
    assert job(child) == ("blocked", f"waits for {parent}, which was removed")
    finish(other, "1")
    assert statuses(child) == ["pending", "blocked"]


def test_a_job_that_ends_takes_what_it_waited_for_along() -> None:
    child = submit("1", dependency=f"complete-work-{job_in(Status.PENDING)}")
    verbs.remove(child)
    assert not WaitRow.objects.exists()
