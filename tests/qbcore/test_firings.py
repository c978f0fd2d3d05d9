"""Firings of the language qube: each takes effect once, as its submitter, and says what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import acting, callbacks, firings, folding, submission, verbs
from qbcore.firings import carrying
from qbcore.listing.firings import firings_of
from qbcore.models import CallbackRow, FiringRow, HistoryRow, JobRow, RoleRow, SubjobRow, WorkRow
from qbcore.states import Hold, Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in
from tests.make import make_user

pytestmark = pytest.mark.django_db


def submit(*codes: str, on: str = "submit-job-self", **given: Any) -> int:
    """A job whose callbacks do these codes at once."""
    listening = [{"triggers": on, "code": code} for code in codes]
    return int(submission.submit({**FOUR_FRAMES, "callbacks": listening, **given})["id"])


def status(job: int) -> Status:
    return Status(JobRow.objects.get(pk=job).status)


def listen(job: int, code: str, trigger: str, **given: Any) -> int:
    return callbacks.submitcallback({"triggers": trigger, "code": code, "jobid": job, **given})[0]


def outcomes() -> list[tuple[str, str]]:
    return list(FiringRow.objects.order_by("pk").values_list("state", "message"))


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("unblock-self", Status.BLOCKED, Status.BLOCKED),
        ("block-self", Status.PENDING, Status.BLOCKED),
        ("kill-self", Status.RUNNING, Status.KILLED),
        ("fail-self", Status.RUNNING, Status.FAILED),
        ("fail-self", Status.PENDING, Status.FAILED),
        ("complete-self", Status.PENDING, Status.COMPLETE),
        ("retry-self", Status.COMPLETE, Status.PENDING),
        ("requeue-self", Status.KILLED, Status.BLOCKED),
        ("suspend-self", Status.RUNNING, Status.SUSPENDED),
        ("resume-self", Status.SUSPENDED, Status.RUNNING),
        ("interrupt-self", Status.RUNNING, Status.PENDING),
        ("migrate-self", Status.RUNNING, Status.PENDING),
        ("preempt-self", Status.RUNNING, Status.RUNNING),
        ("kill-job-self; retry-self", Status.PENDING, Status.PENDING),
    ],
)
def test_a_code_does_to_its_own_job_what_the_verb_does(code: str, before: Status, after: Status) -> None:
    job = job_in(before)
    number = listen(job, code, f"killed-job-{job_in(Status.KILLED)}")
    firings.carry_due()
    assert status(job) == after
    [(state, message)] = outcomes()
    assert state == "done"
    assert f"callback {number}" in HistoryRow.objects.values_list("why", flat=True) or "nothing changed" in message


def test_unblocking_lifts_the_holds_of_submission_and_dependencies_and_no_others() -> None:
    parent = job_in(Status.PENDING)
    job = submit("unblock-self", on=f"killed-job-{parent}", status="blocked", dependency=str(parent))
    verbs.kill(parent)
    firings.carry_due()
    assert status(job) == Status.PENDING
    held = submit("unblock-self", on=f"done-job-{parent}", status="blocked")
    verbs.unblock(held)
    verbs.block(held)
    firings.carry_due()
    assert JobRow.objects.get(pk=held).held == Hold.USER
    assert outcomes()[-1] == ("done", "unblock: nothing changed")


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("unblock-work-self", Status.PENDING),
        ("kill-work-self", Status.KILLED),
        ("fail-work-self", Status.FAILED),
        ("complete-work-self", Status.COMPLETE),
    ],
)
def test_a_code_for_work_acts_on_the_item_of_the_same_name(code: str, changed: Status) -> None:
    parent = job_in(Status.PENDING)
    agenda = [{"name": name, "status": "blocked"} for name in ("3", "2", "1")]
    job = submit(code, on=f"complete-work-{parent}-*", agenda=agenda)
    verbs.retirework(f"{parent}:1-2")
    firings.carry_due()
    found = dict(WorkRow.objects.filter(job_id=job).values_list("name", "status"))
    assert found == {"3": Status.BLOCKED, "2": changed, "1": changed}
    assert [state for state, _ in outcomes()] == ["done", "done"]


def test_items_that_a_person_blocked_are_not_unblocked() -> None:
    parent, job = job_in(Status.PENDING), job_in(Status.PENDING)
    listen(job, "unblock-work-self", f"complete-work-{parent}-*")
    verbs.blockwork(f"{job}:1")
    verbs.retirework(f"{parent}:1")
    firings.carry_due()
    assert WorkRow.objects.get(job_id=job, name="1").status == Status.BLOCKED
    assert outcomes() == [("done", "unblock 1: nothing changed")]


def test_a_running_item_is_sent_away_with_its_subjob() -> None:
    job = submit("interrupt-work-self", on="running-work-self-1")
    Hand(slots=1).begin()
    folding.sweep()
    firings.carry_due()
    assert WorkRow.objects.get(job_id=job, name="1").status == Status.PENDING


def test_a_code_for_a_subjob_acts_on_the_one_of_the_same_number() -> None:
    parent, job = job_in(Status.PENDING), job_in(Status.PENDING)
    listen(job, "fail-subjob-self", f"killed-subjob-{parent}-1")
    verbs.kill(f"{parent}.1")
    firings.carry_due()
    found = list(SubjobRow.objects.filter(job_id=job).order_by("idx").values_list("status", flat=True))
    assert found == [Status.PENDING, Status.FAILED]


@pytest.mark.parametrize(
    ("code", "said"), [("kill-work-self", "came from no item"), ("kill-subjob-self", "came from no subjob")]
)
def test_a_code_without_something_to_act_on_fails_with_a_sentence(code: str, said: str) -> None:
    submit(code)
    firings.carry_due()
    [(state, message)] = outcomes()
    assert state == "failed"
    assert said in message


def test_of_several_codes_all_take_effect_or_none() -> None:
    job = submit("kill-self\nkill-work-self")
    firings.carry_due()
    assert status(job) == Status.PENDING
    assert outcomes()[0][0] == "failed"


def test_it_acts_with_the_rights_that_its_submitter_has_then() -> None:
    alice = make_user("alice", role="operator")
    job = job_in(Status.PENDING)
    with acting.acting_as(acting.Actor("alice", "operator")):
        listen(job, "kill-self", "modified-job-self")
    RoleRow.objects.filter(user=alice).update(role="artist")
    submission.modify({"priority": 1}, job)
    firings.carry_due()
    [(state, message)] = outcomes()
    assert state == "refused"
    assert "alice may not" in message
    assert status(job) == Status.PENDING
    RoleRow.objects.filter(user=alice).update(role="operator")
    submission.modify({"priority": 2}, job)
    firings.carry_due()
    assert status(job) == Status.KILLED
    assert HistoryRow.objects.filter(actor="alice", verb="kill", why__startswith="callback ").count() == 1


def test_a_submitter_who_is_gone_acts_no_more() -> None:
    make_user("bob").delete()
    with acting.acting_as(acting.Actor("bob", "artist")):
        job = submit("kill-self")
    firings.carry_due()
    [(state, message)] = outcomes()
    assert (state, status(job)) == ("refused", Status.PENDING)
    assert "no user bob any more" in message


def test_a_removed_job_leaves_what_it_fired_to_be_said() -> None:
    job = submit("kill-self", on="removed-job-self")
    verbs.remove(job)
    assert CallbackRow.objects.get().state == "done"
    firings.carry_due()
    assert outcomes() == [("failed", "its job is not there")]
    firings.forget()
    assert not CallbackRow.objects.exists()


def test_a_chain_of_callbacks_goes_to_its_end() -> None:
    last = job_in(Status.PENDING)
    job = submit("kill-self", on=f"killed-job-{last}")
    listen(last, "retry-self", f"killed-job-{job}")
    verbs.kill(last)
    firings.carry_due()
    firings.carry_due()
    assert (status(job), status(last)) == (Status.KILLED, Status.PENDING)


def test_the_firings_of_a_job_can_be_read() -> None:
    job = submit("block-self", "kill-work-self")
    firings.carry_due()
    assert [(line.language, line.event, line.state) for line in firings_of(job)] == [
        ("qube", f"submit-job-{job}", "failed"),
        ("qube", f"submit-job-{job}", "done"),
    ]
    with acting.acting_as(acting.Actor("x", "attempt", job=job + 1)):
        assert firings_of(job) == []


def test_carrying_twice_acts_once() -> None:
    job = submit("block-self")
    number = FiringRow.objects.get().pk
    carrying.carry(number)
    verbs.unblock(job)
    carrying.carry(number)
    firings.carry_due()
    assert status(job) == Status.PENDING


@pytest.mark.django_db(transaction=True)
def test_firings_are_carried_out_right_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firings.carrier, "add", carrying.carry)
    job = submit("block-self")
    assert (status(job), outcomes()) == (Status.BLOCKED, [("done", "block: 2 subjobs")])


@pytest.mark.django_db(transaction=True)
def test_what_was_lost_between_the_commit_and_the_carrying_is_done_once_by_housekeeping() -> None:
    job = submit("block-self")
    assert status(job) == Status.PENDING
    assert [firings.carry_due(), firings.carry_due()] == [1, 0]
    assert status(job) == Status.BLOCKED
    assert HistoryRow.objects.filter(job_id=job, verb="block").count() == 1


def test_a_job_runs_to_its_end_with_callbacks_in_between() -> None:
    first = submit("complete-work-self", on="failed-work-self-*")
    drive(Hand(), exits=lambda frame: int(frame["name"] == "2"))
    firings.carry_due()
    assert status(first) == Status.FAILED
    assert outcomes() == [("done", "complete 2: nothing changed")]
