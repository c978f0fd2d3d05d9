"""The Job page: frames for the grid and the table, subjobs, log, history, details."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from qbcore import logs, submission
from qbcore.models import AttemptRow, SubjobRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES
from tests.make import make_attempt, make_history, make_host, make_job

pytestmark = pytest.mark.django_db
MIXED = {Status.COMPLETE: 2, Status.RUNNING: 1, Status.FAILED: 1, Status.PENDING: 1}


def get(client: Client, name: str, *args: int, **query: object) -> str:
    return client.get(reverse(name, args=args), query).content.decode()


def test_the_header_shows_status_counts_and_actions(bob: Client) -> None:
    job = make_job("sq020_0140_lgt", frames=MIXED, user="mira", priority=180)
    page = get(bob, "job", job.id)
    assert "sq020_0140_lgt" in page and "user <b>mira</b>" in page
    assert 'aria-label="2 of 5 complete, 1 running, 1 failed, 1 other"' in page
    assert 'data-act="retrywork" data-scope="job"' in page and 'data-act="killwork" data-scope="work"' in page


def test_a_job_that_is_not_there_says_that_its_history_stays(bob: Client) -> None:
    make_history(make_job(), "submit")
    response = bob.get(reverse("job", args=[999]))
    assert response.status_code == 404
    assert "There is no job 999 on this farm." in response.content.decode()


def test_all_frames_come_as_one_string_with_their_names(bob: Client) -> None:
    job = make_job(frames=MIXED)
    told = bob.get(reverse("job-states", args=[job.id])).json()
    assert told["states"] == "CCRFP"
    assert told["names"] == [[1, 1, 5]]
    assert len(told["v"]) == 8


def test_the_table_twin_shows_attempts_and_the_error_line(bob: Client) -> None:
    job, host = make_job(frames=MIXED), make_host("render-041")
    make_attempt(job, 3, host=host, ending="failed", exit_code=3, error_line="cannot open kelp.inc", max_rss=2**30)
    page = get(bob, "job-work", job.id, status="failed")
    assert page.count("<tr id=") == 1
    assert "cannot open kelp.inc" in page and "render-041" in page and "1.0 GB" in page


def test_the_table_twin_goes_on_in_windows(bob: Client) -> None:
    job = make_job(frames=130)
    page = get(bob, "job-work", job.id)
    assert page.count("<tr id=") == 100 and "after=99" in page
    assert get(bob, "job-work", job.id, after=99).count("<tr id=") == 30


def test_a_frame_tells_its_attempts(bob: Client) -> None:
    job, host = make_job(frames=MIXED), make_host("render-041")
    make_attempt(job, 3, host=host, ending="lost")
    make_attempt(job, 3, host=host, ending="failed", number=2, exit_code=1, error_line="no texture")
    told = bob.get(reverse("job-frame", args=[job.id, 3])).json()
    assert (told["name"], told["status"]) == ("4", "failed")
    assert [(one["ending"], one["error"]) for one in told["attempts"]] == [("lost", ""), ("failed", "no texture")]
    assert bob.get(reverse("job-frame", args=[job.id, 99])).status_code == 404


@pytest.fixture
def written() -> AttemptRow:
    """An attempt that wrote 3 lines after another one's, and has ended."""
    job, host = make_job(frames=MIXED), make_host()
    attempt = make_attempt(job, 3, host=host, ending="failed", reported=True)
    logs.append(host.id, attempt.grant_id, "out", 0, b"earlier\none\n\x1b[31mERROR: two\x1b[0m\n<b>three</b>\nlater\n")
    start, end = len(b"earlier\n"), len(b"earlier\none\n\x1b[31mERROR: two\x1b[0m\n<b>three</b>\n")
    AttemptRow.objects.filter(pk=attempt.pk).update(out_from=start, out_to=end)
    return attempt


def test_the_log_of_an_attempt_is_its_own_lines_as_text(bob: Client, written: AttemptRow) -> None:
    told = bob.get(reverse("job-log", args=[written.job_id]), {"attempt": written.id}).json()
    assert told["lines"] == [["", "one"], ["e", "ERROR: two"], ["", "<b>three</b>"]]
    assert (told["from"], told["to"]) == (0, told["size"])


def test_the_log_of_a_subjob_is_all_that_it_wrote(bob: Client, written: AttemptRow) -> None:
    told = bob.get(reverse("job-log", args=[written.job_id]), {"subjob": 0}).json()
    assert [text for _, text in told["lines"]] == ["earlier", "one", "ERROR: two", "<b>three</b>", "later"]
    again = bob.get(reverse("job-log", args=[written.job_id]), {"subjob": 0, "offset": told["to"]}).json()
    assert (again["lines"], again["from"]) == ([], told["size"])


def test_a_negative_offset_reads_from_the_end(bob: Client, written: AttemptRow) -> None:
    told = bob.get(reverse("job-log", args=[written.job_id]), {"subjob": 0, "offset": -6}).json()
    assert told["lines"] == [["", "later"]] and told["to"] == told["size"]


def test_a_log_through_another_job_is_not_found(bob: Client, written: AttemptRow) -> None:
    other = make_job()
    response = bob.get(reverse("job-log", args=[other.id]), {"attempt": written.id})
    assert response.status_code == 404


@pytest.mark.parametrize("query", [{"stream": "log"}, {"offset": "x"}, {"subjob": "0.1"}, {"attempt": "1e3"}])
def test_malformed_questions_for_a_log_are_refused(bob: Client, query: dict[str, str]) -> None:
    assert bob.get(reverse("job-log", args=[make_job().id]), query).status_code == 400


def test_subjobs_show_what_runs_in_them(bob: Client) -> None:
    job, host = make_job(frames=MIXED), make_host("render-041")
    attempt = make_attempt(job, 2, host=host)
    SubjobRow.objects.filter(job_id=job.id).update(grant_id=attempt.grant_id, host_name=host.name, host_id=host.id)
    page = get(bob, "job", job.id)
    assert f'data-row="subjob:{job.id}.0"' in page and reverse("worker", args=[host.id]) in page
    assert f'id="subjob-{job.id}.0"' in get(bob, "job-subjobs", job.id)


def test_history_tells_who_did_what_and_why_newest_first(bob: Client) -> None:
    job = make_job()
    make_history(job, "submit", actor="bob")
    make_history(job, "retrywork", actor="alice", effect="5 frames pending", why="include is back")
    page = get(bob, "job", job.id, tab="history")
    assert page.index("retrywork") < page.index("submit</td>")
    assert "alice" in page and "5 frames pending" in page and "include is back" in page


def test_details_show_every_field_of_the_job(bob: Client) -> None:
    job = make_job(package={"cmdline": "povray <scene>"}, requirements="host.os == linux")
    page = get(bob, "job", job.id, tab="details")
    assert "povray &lt;scene&gt;" in page and "host.os == linux" in page


def test_an_unknown_tab_is_the_first_one(bob: Client) -> None:
    assert "data-grid" in get(bob, "job", make_job().id, tab="nothing")


def test_a_job_without_frames_has_no_grid(bob: Client) -> None:
    assert "data-grid" not in get(bob, "job", make_job(frames=0).id)


def test_details_show_times_for_people_and_a_dash_for_what_never_happened(alice: Client) -> None:
    job = submission.submit(FOUR_FRAMES)
    text = alice.get(f"/jobs/{job['id']}?tab=details").content.decode()
    assert "946702800" not in text
    assert re.search(r"timesubmit</dt><dd class=.mono.>20\d\d-\d\d-\d\d \d\d:\d\d:\d\d<", text)
    assert re.search(r"timestart</dt><dd class=.mono.><span class=.dash.>", text)
