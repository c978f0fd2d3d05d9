"""Callbacks: when they fire, how often, what they remember, and what is kept of them."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import acting, archiving, callbacks, firings, folding, queries, submission, verbs
from qbcore.archive import recover
from qbcore.errors import Invalid, QubeError
from qbcore.models import CallbackRow, FiringRow, TermRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in

pytestmark = pytest.mark.django_db
BOB = acting.Actor("bob", "artist")


def on(*triggers: str, **given: Any) -> dict[str, Any]:
    """A callback that acts on nothing: what it would do is not looked at here."""
    return {"triggers": list(triggers), "language": "qube", "code": "unblock-self", **given}


def submit(*callbacks: dict[str, Any], **given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "callbacks": list(callbacks), **given})["id"])


def fired() -> list[str]:
    return list(FiringRow.objects.order_by("pk").values_list("event", flat=True))


def one(job: int) -> Any:
    [found] = queries.jobinfo(id=job, callbacks=True)[0]["callbacks"]
    return found


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("complete", {Status.COMPLETE}),
        ("failed", {Status.FAILED}),
        ("killed", {Status.KILLED}),
        ("done", {Status.COMPLETE, Status.FAILED, Status.KILLED}),
        ("running", {Status.RUNNING, Status.SUSPENDED, Status.COMPLETE, Status.FAILED, Status.WAITING}),
        ("blocked", {Status.BLOCKED}),
        ("waiting", {Status.WAITING}),
    ],
)
@pytest.mark.parametrize("status", Status, ids=lambda status: status.word)
def test_an_event_of_a_job_comes_when_it_takes_on_the_status(name: str, statuses: set[Status], status: Status) -> None:
    job = job_in(status, callbacks=[on(f"{name}-job-self")])
    assert fired() == [f"{name}-job-{job}"] * (status in statuses)


def test_it_comes_anew_each_time_and_once_each_time() -> None:
    job = submit(on("killed-job-self"))
    for _ in range(3):
        verbs.kill(job)
        folding.sweep()
        verbs.retry(job)
    assert fired() == [f"killed-job-{job}"] * 3


def test_it_fires_as_often_as_it_may_and_is_done_then() -> None:
    job = submit(on("killed-job-self", maximum="2"))
    for _ in range(3):
        verbs.kill(job)
        verbs.retry(job)
    found = one(job)
    assert (found["count"], found["maximum"], found["ready"], found["state"]) == (2, 2, 0, "done")
    assert len(fired()) == 2


def test_one_happening_fires_once_however_many_terms_it_meets() -> None:
    job = submit(on("complete-job-self", "done-job-self"))
    drive(Hand())
    assert fired() == [f"complete-job-{job}"]


def test_terms_of_an_and_are_remembered_until_it_fires() -> None:
    first, second = job_in(Status.PENDING), job_in(Status.PENDING)
    submit(on(f"killed-job-{first} && done-job-{second}"))
    verbs.kill(first)
    assert fired() == []
    verbs.kill(second)
    assert fired() == [f"done-job-{second}"]
    verbs.retry(second)
    verbs.kill(second)
    assert len(fired()) == 1, "the first is to come again too"
    assert not TermRow.objects.filter(watched_id=first, met=True).exists()


def test_a_term_is_forgotten_when_the_job_leaves_the_status() -> None:
    first, second = job_in(Status.PENDING), job_in(Status.PENDING)
    submit(on(f"killed-job-{first} && killed-job-{second}"))
    verbs.kill(first)
    verbs.retry(first)
    verbs.kill(second)
    assert fired() == []
    verbs.kill(first)
    assert fired() == [f"killed-job-{first}"]


def test_each_item_fires_where_any_is_meant_and_only_its_own_where_it_is_named() -> None:
    job = submit(on("complete-work-self-*"), on("failed-work-self-3"), on("complete-work-self-3"))
    drive(Hand(slots=1), exits=lambda frame: int(frame["name"] == "2"))
    rows = FiringRow.objects.order_by("pk").values_list("callback_id", "event", "frame")
    ids = [found["id"] for found in queries.jobinfo(id=job, callbacks=True)[0]["callbacks"]]
    assert sorted(rows) == sorted(
        [(ids[0], f"complete-work-{job}-{frame}", frame) for frame in "134"] + [(ids[2], f"complete-work-{job}-3", "3")]
    )


def test_items_of_any_name_are_forgotten_when_none_is_so_any_more() -> None:
    job, other = submit(), job_in(Status.PENDING)
    callbacks.submitcallback(on(f"killed-work-{job}-* && killed-job-{other}", jobid=other))
    verbs.killwork(f"{job}:1-2")
    verbs.retrywork(f"{job}:1")
    assert TermRow.objects.filter(watched_id=job, met=True).exists()
    verbs.retrywork(f"{job}:2")
    verbs.kill(other)
    assert fired() == []


def test_subjobs_raise_their_own_events() -> None:
    job = submit(on("assigned-subjob-self-*"), on("killed-subjob-self-1"), on("running-subjob-self-0"))
    hand = Hand(slots=1)
    hand.begin()
    folding.sweep()
    assert fired() == [f"assigned-subjob-{job}-0", f"running-subjob-{job}-0"]
    verbs.kill(f"{job}.1")
    assert fired()[2:] == [f"killed-subjob-{job}-1"]
    assert set(FiringRow.objects.values_list("subjob", flat=True)) == {0, 1}


def test_submission_change_and_removal_are_events() -> None:
    job = submit(on("submit-job-self"), on("modified-job-self"), on("removed-job-self"))
    submission.modify({"priority": 5}, job)
    submission.modify({"priority": 5}, job)
    verbs.remove(job)
    assert fired() == [f"{name}-job-{job}" for name in ("submit", "modified", "removed")]


def test_labels_of_a_call_may_come_before_or_after() -> None:
    early, late, _ = submission.submit(
        {**FOUR_FRAMES, "label": "a", "callbacks": [on("killed-job-b-2")]},
        {**FOUR_FRAMES, "label": "b-2"},
        {**FOUR_FRAMES, "callbacks": [on("killed-job-a")]},
    )
    verbs.kill(late["id"])
    verbs.kill(early["id"])
    assert fired() == [f"killed-job-{late['id']}", f"killed-job-{early['id']}"]


def test_a_label_that_comes_later_is_listened_to_from_then_on() -> None:
    first = submit(on("submit-job-late", "killed-work-late-*"), on("killed-job-renamed"))
    late = submit(pgrp=first, label="late")
    other = submit(pgrp=first)
    assert fired() == [f"submit-job-{late}"]
    verbs.killwork(f"{late}:2")
    submission.modify({"label": "renamed"}, other)
    verbs.kill(other)
    assert fired()[1:] == [f"killed-work-{late}-2", f"killed-job-{other}"]


def test_the_parent_is_the_job_of_the_pid_or_the_first_of_the_group() -> None:
    first = submit()
    second = submit(on("killed-job-parent"), pgrp=first)
    third = submit(on("killed-job-parent"), pgrp=first, pid=second)
    verbs.kill(first)
    verbs.kill(second)
    assert list(FiringRow.objects.order_by("pk").values_list("job_id", "event")) == [
        (second, f"killed-job-{first}"),
        (third, f"killed-job-{second}"),
    ]


def test_what_is_so_already_counts_for_what_is_named() -> None:
    job = submit()
    verbs.killwork(f"{job}:2")
    given = ["killed-work-{}-2", "killed-work-{}-3", "killed-work-{}-*", "blocked-job-{}", "pending-job-{}"]
    callbacks.submitcallback(*(on(text.format(job), jobid=job) for text in given[:4]))
    assert fired() == [f"killed-work-{job}-2"]
    verbs.kill(job)
    callbacks.submitcallback(on(f"done-job-{job} && killed-subjob-{job}-1"))
    assert FiringRow.objects.filter(event__endswith=f"subjob-{job}-1").count() == 0, "it has no job to act on"
    callbacks.submitcallback(on(f"done-job-{job} && killed-subjob-{job}-1", jobid=job))
    assert FiringRow.objects.filter(event__endswith=f"subjob-{job}-1").count() == 1


def test_an_item_that_turned_before_the_callback_came_and_is_folded_after_fires_once() -> None:
    job = submit()
    hand = Hand(slots=1)
    hand.begin()
    hand.report()
    callbacks.submitcallback(on("complete-work-self-1", jobid=job))
    folding.sweep()
    folding.sweep()
    assert fired() == [f"complete-work-{job}-1"]


@pytest.mark.parametrize(
    ("given", "state", "said"),
    [
        ({"triggers": ["complete-job-self"], "language": "python", "code": "print(1)"}, "refused", "no Python"),
        ({"triggers": "done-job-self", "language": "perl", "code": "1;"}, "refused", "'perl' is not run here"),
        ({"triggers": "done-job-self", "language": "mail"}, "refused", "sends no mail"),
        ({"triggers": "done-job-self", "code": "mail-status"}, "refused", "sends no mail"),
        ({"triggers": "done-job-self", "language": "webhook", "url": "http://x/"}, "refused", "FARM_WEBHOOK_SECRET"),
        ({"triggers": "done-job-self", "language": "webhook", "code": "ftp://x/"}, "refused", "no URL of a web server"),
        ({"triggers": "done-job-self", "code": "fly-self"}, "refused", "'fly-self' is no code"),
        ({"triggers": "done-job-self", "code": ""}, "refused", "needs a code"),
        (on("done-job-self"), "idle", "no job that 'self' could mean"),
        (on("done-job-parent"), "idle", "no job that 'parent' could mean"),
        (on("dummy-time-self-60"), "idle", "no job of its own"),
        (on("done-job-self", user="alice"), "refused", "bob may not act as alice"),
    ],
)
def test_what_cannot_act_is_kept_with_the_reason(given: dict[str, Any], state: str, said: str) -> None:
    with acting.acting_as(BOB):
        [number] = callbacks.submitcallback(given)
    row = CallbackRow.objects.get(pk=number)
    assert (row.state, row.user) == (state, "bob")
    assert said in row.reason


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({}, "triggers", "list of texts"),
        ({"triggers": []}, "triggers", "no trigger"),
        ({"triggers": "done-job"}, "triggers", "no event"),
        ({"triggers": ["done-job-self", "done-job-self &&"]}, "triggers", "event is missing"),
        ({"triggers": "done-job-self", "maximum": -1}, "maximum", "too small"),
        ({"triggers": "done-job-self", "maximum": "x"}, "maximum", "whole number"),
        ({"triggers": "done-job-self", "language": 3}, "language", "must be a text"),
        ({"triggers": "dummy-time-self-soon"}, "triggers", "no time"),
        ({"triggers": "dummy-repeat-self-0"}, "triggers", "no period"),
        ({"triggers": "done-job-self", "code": "a\x00"}, "code", "without NUL"),
        ({"triggers": "done-job-self", "user": ["bob"]}, "user", "must be a name"),
        ("done-job-self", "callback", "must be a dictionary"),
    ],
)
def test_a_malformed_callback_is_refused_by_field_and_nothing_is_stored(given: Any, field: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refusal:
        callbacks.submitcallback(on("done-job-1"), given)
    assert refusal.value.field == field
    with pytest.raises(QubeError, match=r"callbacks\[1\]"):
        submission.submit({**FOUR_FRAMES, "callbacks": [on("done-job-self"), given]})
    assert not CallbackRow.objects.exists()
    assert queries.jobinfo() == []


@pytest.mark.parametrize("given", ["", {}, "done-job-self", 3])
def test_callbacks_of_a_job_are_a_list(given: Any) -> None:
    with pytest.raises(Invalid, match="callbacks must be a list"):
        submission.submit({**FOUR_FRAMES, "callbacks": given})
    submission.submit({**FOUR_FRAMES, "callbacks": None})


def test_jobinfo_gives_back_what_was_submitted_and_what_became_of_it() -> None:
    given = {"triggers": "done-job-self", "language": "qube", "code": "block-self", "note": ["a", 1], "maximum": 3}
    job = submit(given)
    found = one(job)
    assert {key: found[key] for key in given} == given
    assert {key: found[key] for key in ("count", "ready", "state", "reason", "user")} == {
        "count": 0, "ready": 1, "state": "ready", "reason": "", "user": "farm",
    }  # fmt: skip
    assert "callbacks" not in queries.jobinfo(id=job)[0]


def test_an_archived_job_brings_its_callbacks_back() -> None:
    job = submit(on("killed-job-self", maximum=1))
    verbs.kill(job)
    kept = archiving.archive(job)
    assert kept is not None
    again = submission.submit(recover(kept.path))["id"]
    assert {key: one(again)[key] for key in ("triggers", "code", "count", "maximum", "state")} == {
        "triggers": ["killed-job-self"], "code": "unblock-self", "count": 0, "maximum": 1, "state": "ready",
    }  # fmt: skip
    verbs.kill(again)
    assert fired() == [f"killed-job-{job}", f"killed-job-{again}"]


def test_a_removed_job_takes_its_callbacks_along() -> None:
    job = submit(on("complete-job-self"))
    verbs.remove(job)
    assert not CallbackRow.objects.exists()
    assert not TermRow.objects.exists()


def test_callbacks_may_come_as_a_list_and_one_that_is_wrong_keeps_all_out() -> None:
    first, second, third = callbacks.submitcallback([on("done-job-1"), on("done-job-2")], on("done-job-3"))
    assert first < second < third
    for wrong in ([], [on("done-job-1"), 5]):
        with pytest.raises(Invalid):
            callbacks.submitcallback(wrong)
    assert CallbackRow.objects.count() == 3


def test_a_mail_that_a_flag_asks_for_is_missing_in_the_history_where_the_farm_sends_none() -> None:
    job = submission.submit({**FOUR_FRAMES, "flags": "mail"})["id"]
    verbs.kill(job)
    assert "not sent: this farm sends no mail: its administrator sets FARM_MAIL_URL" in queries.hist(job)[-1]["comment"]
    assert not FiringRow.objects.exists()


def test_a_code_does_the_rest_where_the_farm_sends_no_mail() -> None:
    first, other = job_in(Status.PENDING), submission.submit({**FOUR_FRAMES, "status": "blocked"})["id"]
    callbacks.submitcallback({"triggers": f"killed-job-{first}", "code": "unblock-self, mail-status", "jobid": other})
    verbs.kill(first)
    firing = FiringRow.objects.get()
    firings.carry_due()
    firing.refresh_from_db()
    assert (firing.state, queries.jobinfo(id=other)[0]["status"]) == ("done", "pending")
    assert firing.message.endswith("no mail was sent: this farm sends no mail: its administrator sets FARM_MAIL_URL")
