"""The Jobs page as a browser gets it."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from farm.views.jobs import SNIPPET
from qbcore.states import Status
from tests.make import make_host, make_job

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
JOBS = "/jobs"


def rows(html: str) -> list[str]:
    return re.findall(r'<tr id="job-(\d+)"', html)


def get(client: Client, address: str, **headers: str) -> str:
    return client.get(address, headers=headers).content.decode()


def test_the_root_leads_to_the_jobs(bob: Client) -> None:
    assert bob.get("/").url == reverse("jobs")


def test_a_farm_without_jobs_shows_the_lines_that_submit_the_first(bob: Client) -> None:
    make_host()
    page = get(bob, JOBS)
    assert "No jobs yet" in page and "1 host is ready" in page
    shown = re.sub(r"<[^>]+>", "", "\n".join(re.findall(r"<li>(.*?)</li>", page)))
    assert shown.replace("&quot;", '"') == SNIPPET
    assert 'data-newest="job:0" data-first-run' in page


def test_jobs_are_listed_with_status_progress_and_the_failing_mark(bob: Client) -> None:
    job = make_job("sq020_0140_lgt", frames={Status.COMPLETE: 5, Status.RUNNING: 2, Status.FAILED: 1}, user="mira")
    page = get(bob, JOBS)
    assert rows(page) == [str(job.id)]
    assert "sq020_0140_lgt" in page and "5 / 8" in page
    assert 'data-status="running"' in page and 'class="failing"' in page
    assert f'data-newest="job:{job.id}"' in page


def test_the_page_takes_the_same_few_statements_for_one_job_and_for_many(
    bob: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(40):
        make_job(frames=2)
    with django_assert_max_num_queries(12):
        assert len(rows(get(bob, JOBS))) == 40


def test_the_filter_narrows_and_shows_its_chips(bob: Client) -> None:
    mine, _ = make_job("mine", user="bob"), make_job("other", user="mira")
    page = get(bob, f"{JOBS}?q=user%3Ame")
    assert rows(page) == [str(mine.id)]
    assert "1 job</span>" in page
    assert 'aria-label="Drop user:me"' in page


def test_an_unreadable_term_is_marked_and_the_rest_applies(bob: Client) -> None:
    mine, _ = make_job(user="bob"), make_job(user="mira")
    page = get(bob, f"{JOBS}?q=prio%3A5+user%3Abob")
    assert rows(page) == [str(mine.id)]
    assert "1 term ignored" in page and "Did you mean priority?" in page


def test_a_typed_term_joins_the_filter_and_the_address_says_so(bob: Client) -> None:
    make_job(user="bob")
    assert bob.get(f"{JOBS}?q=user:bob&add=status:failed").url == f"{JOBS}?q=user%3Abob+status%3Afailed"
    response = bob.get(f"{JOBS}?q=user:bob&add=status:pending", headers=HTMX)
    assert response["HX-Push-Url"] == f"{JOBS}?q=user%3Abob+status%3Apending"
    assert "<html" not in response.content.decode()


def test_a_filter_that_fits_nothing_names_the_term_to_drop(bob: Client) -> None:
    make_job(user="bob", frames={Status.FAILED: 1})
    page = get(bob, f"{JOBS}?q=user:bob+status:running")
    assert "No job fits this filter" in page
    assert "1 job fits without <b>status:running</b>" in page


def test_windows_follow_each_other_by_what_the_last_row_says(bob: Client) -> None:
    made = [make_job().id for _ in range(7)]
    page, seen = get(bob, f"{JOBS}?rows=3"), []
    for _ in range(4):
        seen += rows(page)
        more = re.search(r'<tr class="more" hx-get="([^"]+)"', page)
        if not more:
            break
        page = get(bob, more[1].replace("&amp;", "&") + "&rows=3", **HTMX)
    assert seen == [str(number) for number in reversed(made)]


def test_a_cursor_that_was_tampered_with_is_an_error_page_not_a_breakdown(bob: Client) -> None:
    make_job()
    response = bob.get(f"{JOBS}?after=garbage")
    assert response.status_code == 400
    assert "this cursor was not given out by this page" in response.content.decode()


def test_an_unknown_sort_is_refused_with_those_that_are_known(bob: Client) -> None:
    make_job()
    response = bob.get(f"{JOBS}?sort=colour")
    assert response.status_code == 400 and "Known: id, name" in response.content.decode()


def test_what_htmx_gets_is_never_taken_for_a_whole_page(bob: Client) -> None:
    make_job()
    response = bob.get(JOBS, headers=HTMX)
    assert "HX-Request" in response["Vary"] and response["Cache-Control"] == "private, no-cache"
    restored = bob.get(JOBS, headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert "<html" in restored.content.decode()


def test_nothing_in_the_page_breaks_the_content_policy(bob: Client) -> None:
    make_job(frames=dict.fromkeys(Status, 1))
    response = bob.get(JOBS)
    page = response.content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "no request leaves the farm"
    assert "script-src 'self'" in response["Content-Security-Policy"]


def test_a_page_that_is_not_there_says_so(bob: Client) -> None:
    response = bob.get("/nowhere")
    assert response.status_code == 404 and "There is no page at this address." in response.content.decode()
