"""The declared buttons: what each stands for, and who may press it."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from farm import actions
from farm.actions import ACTIONS, Action
from farm.cells import icon
from qbcore import runs, submission, verbs
from qbcore.errors import Invalid
from qbcore.models import HistoryRow, RunRow, RunTargetRow
from qbcore.permissions import JOB_VERBS
from qbcore.states import Status
from tests.farm.conftest import Browser
from tests.make import make_job

EACH = pytest.mark.parametrize("action", ACTIONS, ids=lambda action: f"{action.scope}-{action.verb}")
HTMX = {"HX-Request": "true"}


def test_no_key_is_given_twice_in_one_bar() -> None:
    for scope in (actions.JOB, actions.WORK):
        keys = [action.key for action in actions.of(scope) if action.key]
        assert len(keys) == len(set(keys))


def test_kill_is_far_from_the_keys_that_move() -> None:
    assert {action.key for action in ACTIONS if action.loses} <= {"Delete", ""}


@EACH
def test_every_action_is_a_verb_with_a_right_and_known_statuses(action: Action) -> None:
    assert action.right in JOB_VERBS
    assert runs.is_work(action.verb) == (action.kind == actions.WORK)
    words = {status.word for status in Status}
    assert set(action.takes) | set(action.choices) | set(action.chosen) <= words
    assert f"#{action.icon}" in icon(action.icon)


@pytest.mark.parametrize("scope", [actions.JOB, actions.WORK])
def test_what_was_killed_can_be_retried(scope: str) -> None:
    action = actions.find("retrywork", scope)
    assert action is not None and {"failed", "killed"} <= set(action.takes)


@pytest.mark.django_db
def test_a_killed_job_without_frames_can_be_retried_from_the_pages(browser: Browser) -> None:
    job = submission.submit({"prototype": "cmdline", "package": {"cmdline": "true"}})["id"]
    verbs.kill(job)
    data = {"scope": actions.JOB, "jobs": job}
    page = browser("alice").post(reverse("act", args=["retry"]), data, headers=HTMX).content.decode()
    assert "Retry 1 job" in page


@pytest.mark.parametrize("text", ["0", "10000", "-1", "abc", "1.5", "99999999999999999999"])
def test_a_priority_out_of_range_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid, match=r"priority: .* is not a whole number from 1 to 9999"):
        actions.PRIORITY.read(QueryDict(f"priority={text}"))


@pytest.mark.django_db
@EACH
def test_every_action_shows_a_preview_to_everybody_and_sends_nothing(action: Action, browser: Browser) -> None:
    job = make_job(frames={Status.FAILED: 3, Status.RUNNING: 1, Status.BLOCKED: 2, Status.PENDING: 1})
    for name in ("alice", "bob", "carol"):
        data = {"scope": action.scope, "jobs": job.id, "priority": "50"}
        response = browser(name).post(reverse("act", args=[action.verb]), data, headers=HTMX)
        assert response.status_code == 200
        assert "nothing sent yet" in response.content.decode()
    assert not RunRow.objects.exists()


@pytest.mark.django_db
def test_a_preview_counts_what_will_change_and_what_will_not(bob: Client) -> None:
    first = make_job(frames={Status.FAILED: 41, Status.COMPLETE: 9})
    second = make_job(frames={Status.FAILED: 25, Status.RUNNING: 2})
    page = bob.post(
        reverse("act", args=["retrywork"]), {"scope": "job", "jobs": f"{first.id},{second.id}"}, headers=HTMX
    ).content.decode()
    assert "Retry 66 frames in 2 jobs" in page
    assert "Retry 66 frames<kbd>" in page


@pytest.mark.django_db
def test_the_reader_chooses_which_frames_change(bob: Client) -> None:
    job = make_job(frames={Status.FAILED: 4, Status.KILLED: 2, Status.COMPLETE: 1})
    data = {"scope": "job", "jobs": job.id, "chosen": "1", "statuses": ["failed", "killed"]}
    assert "Retry 6 frames" in bob.post(reverse("act", args=["retrywork"]), data, headers=HTMX).content.decode()


@pytest.mark.django_db
def test_a_confirmed_action_starts_a_run_and_answers_a_live_toast(bob: Client) -> None:
    job = make_job(frames={Status.FAILED: 4})
    data = {"scope": "job", "jobs": job.id, "go": "1", "why": "include is back"}
    response = bob.post(reverse("act", args=["retrywork"]), data, headers=HTMX)
    run = RunRow.objects.get()
    assert (run.verb, run.user, run.why, run.total) == ("retrywork", "bob", "include is back", 4)
    assert f'data-row="toast:{run.id}"' in response.content.decode()
    assert response["HX-Retarget"] == "#toasts"
    assert f'"run": {run.id}' in response["HX-Trigger-After-Swap"]


@pytest.mark.django_db
def test_a_wrong_parameter_is_told_beside_the_form_and_changes_nothing(bob: Client) -> None:
    data = {"scope": "job", "jobs": make_job().id, "priority": "soon"}
    preview = bob.post(reverse("act", args=["modify"]), data, headers=HTMX)
    assert preview.status_code == 200
    assert "is not a whole number from 1 to 9999." in preview.content.decode()
    assert 'value="soon"' in preview.content.decode()
    assert bob.post(reverse("act", args=["modify"]), {**data, "go": "1"}, headers=HTMX).status_code == 422
    assert not RunRow.objects.exists()


@pytest.mark.django_db
def test_without_scripts_a_confirmed_action_leads_to_its_page(bob: Client) -> None:
    job = make_job(frames={Status.FAILED: 1})
    response = bob.post(reverse("act", args=["retrywork"]), {"scope": "job", "jobs": job.id, "go": "1"})
    assert response.url == reverse("run", args=[RunRow.objects.get().id])


@pytest.mark.django_db
def test_frames_of_the_grid_are_narrowed_by_position_and_status(bob: Client) -> None:
    job = make_job(frames={Status.COMPLETE: 5, Status.FAILED: 5})
    data = {"scope": "work", "jobs": job.id, "positions": "3-6", "go": "1"}
    bob.post(reverse("act", args=["retrywork"]), data, headers=HTMX)
    assert RunTargetRow.objects.get().frames == "5-6"


@pytest.mark.django_db
def test_losing_work_wants_a_reason_and_the_number_of_jobs(bob: Client) -> None:
    ids = f"{make_job(frames=2).id},{make_job(frames=2).id}"
    data = {"scope": "job", "jobs": ids, "go": "1"}
    first = bob.post(reverse("act", args=["kill"]), data, headers=HTMX)
    assert first.status_code == 422
    assert "Type 2 to confirm that all 2 jobs are meant." in first.content.decode()
    second = bob.post(reverse("act", args=["kill"]), {**data, "typed": "2"}, headers=HTMX)
    assert "Give a reason: it is kept in the history." in second.content.decode()
    assert not RunRow.objects.exists()
    third = bob.post(reverse("act", args=["kill"]), {**data, "typed": "2", "why": "wrong camera"}, headers=HTMX)
    assert third.status_code == 200 and RunRow.objects.get().total == 2


@pytest.mark.django_db
def test_somebody_elses_job_wants_a_reason(alice: Client) -> None:
    job = make_job(frames={Status.FAILED: 1}, user="bob")
    response = alice.post(reverse("act", args=["retrywork"]), {"scope": "job", "jobs": job.id, "go": "1"}, headers=HTMX)
    assert response.status_code == 422 and not RunRow.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_artist_may_not_kill_anothers_job_and_is_told_who_may(bob: Client) -> None:
    job = make_job(frames=2, user="mira")
    data = {"scope": "job", "jobs": job.id, "go": "1", "why": "in my way"}
    preview = bob.post(reverse("act", args=["kill"]), {**data, "go": ""}, headers=HTMX).content.decode()
    assert "1 jobs of mira are not yours: ask an operator" in preview
    response = bob.post(reverse("act", args=["kill"]), data, headers=HTMX)
    assert response.status_code == 403
    assert "operators and admins" in response.content.decode()
    assert not RunRow.objects.exists() and not HistoryRow.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("data", [{"jobs": "1,x"}, {"jobs": ""}, {"jobs": "1", "positions": "9-1"}])
def test_a_malformed_selection_is_refused_with_a_sentence(bob: Client, data: dict[str, str]) -> None:
    make_job()
    response = bob.post(reverse("act", args=["retrywork"]), {"scope": "job", **data}, headers=HTMX)
    assert response.status_code == 400
    assert not RunRow.objects.exists()


@pytest.mark.django_db
def test_an_unknown_action_is_not_found(bob: Client) -> None:
    assert bob.post(reverse("act", args=["explode"]), {"jobs": "1"}).status_code == 404
