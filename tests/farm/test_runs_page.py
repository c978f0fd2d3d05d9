"""Actions: the list of bulk runs, and one run as a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from qbcore.models import RunRow, RunTargetRow

pytestmark = pytest.mark.django_db(transaction=True)


def make_run(**columns: Any) -> RunRow:
    now = timezone.now()
    given = {"verb": "retrywork", "title": "Retry 1,204 frames in 17 jobs", "user": "alice", "role": "operator"}
    return RunRow.objects.create(created=now, started=now, state="running", total=1204, **{**given, **columns})


def test_runs_are_listed_newest_first_with_their_progress(bob: Client) -> None:
    old, new = make_run(title="Kill 1 job"), make_run(done=600, changed=590)
    page = bob.get(reverse("actions")).content.decode()
    assert re.findall(r'<tr id="run-(\d+)"', page) == [str(new.id), str(old.id)]
    assert "600 / 1,204" in page and f'data-newest="run:{new.id}"' in page


def test_a_farm_without_runs_says_what_will_be_here(bob: Client) -> None:
    assert "Nothing was done in bulk yet" in bob.get(reverse("actions")).content.decode()


def test_the_list_goes_on_in_windows(bob: Client) -> None:
    for _ in range(103):
        make_run()
    page = bob.get(reverse("actions")).content.decode()
    more = re.search(r'hx-get="([^"]+before=\d+)"', page)
    assert more
    rest = bob.get(more[1], headers={"HX-Request": "true"}).content.decode()
    assert rest.count("<tr id=") == 3 and "<html" not in rest


def test_a_run_shows_counts_reason_and_targets_with_problems_first(bob: Client) -> None:
    run = make_run(done=700, changed=690, refused=6, errors=4, why="include is back", source="Jobs, filter has:failed")
    for job, outcome in ((11, "done"), (12, "error"), (13, "refused")):
        RunTargetRow.objects.create(run_id=run.id, job_id=job, job_name=f"job {job}", total=5, outcome=outcome)
    page = bob.get(reverse("run", args=[run.id])).content.decode()
    assert "Retry 1,204 frames in 17 jobs" in page and "include is back" in page and "filter has:failed" in page
    assert [int(job) for job in re.findall(r'data-href="/jobs/(\d+)"', page)] == [12, 13, 11]
    assert '<b class="">690</b>' in page and "of 1,204" in page
    only = bob.get(reverse("run", args=[run.id]), {"outcome": "refused"}).content.decode()
    assert re.findall(r'data-href="/jobs/(\d+)"', only) == ["13"]


def test_its_starter_stops_a_run_and_a_stranger_does_not(bob: Client, alice: Client) -> None:
    run = make_run()
    address = reverse("run-cancel", args=[run.id])
    refused = bob.post(address)
    assert refused.status_code == 403 and "operators and admins" in refused.content.decode()
    assert alice.post(address, headers={"HX-Request": "true"}).status_code == 204
    run.refresh_from_db()
    assert run.cancel
    assert alice.get(address).status_code == 405


def test_a_run_that_is_not_there_is_not_found(bob: Client) -> None:
    assert bob.get(reverse("run", args=[999])).status_code == 404
