"""The Workers page and the page of one host."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from qbcore.states import Status
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db


def hosts(html: str) -> list[str]:
    return re.findall(r'<tr id="host-(\d+)"', html)


def test_hosts_in_trouble_come_first_with_their_reason(bob: Client) -> None:
    fine, locked = make_host("a"), make_host("b", locked=True, reason="driver update")
    page = bob.get(reverse("workers")).content.decode()
    assert hosts(page) == [str(locked.id), str(fine.id)]
    assert 'data-status="locked"' in page and "driver update" in page


def test_slots_and_running_frames_are_shown(bob: Client) -> None:
    job, host = make_job("sq020_0140", frames={Status.RUNNING: 3}), make_host(slots=16)
    for pos in range(3):
        make_attempt(job, pos, host=host)
    page = bob.get(reverse("workers")).content.decode()
    assert "3 / 16" in page and "sq020_0140" in page and "and 2 more" in page


def test_the_page_takes_the_same_few_statements_for_many_hosts(
    bob: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job(frames={Status.RUNNING: 1})
    for _ in range(20):
        make_attempt(job, 0, host=make_host())
    with django_assert_max_num_queries(12):
        assert len(hosts(bob.get(reverse("workers")).content.decode())) == 20


def test_typed_words_narrow_the_hosts(bob: Client) -> None:
    make_host("render-001")
    wanted = make_host("gpu-001", groups="lighting")
    page = bob.get(reverse("workers"), {"q": "gpu active"}, headers={"HX-Request": "true"}).content.decode()
    assert hosts(page) == [str(wanted.id)] and "<html" not in page
    assert "No host fits" in bob.get(reverse("workers"), {"q": "nothing"}).content.decode()


def test_a_farm_without_hosts_says_how_one_joins(bob: Client) -> None:
    page = bob.get(reverse("workers")).content.decode()
    assert "No host has joined yet" in page and "manage.py jointoken" in page and "manage.py worker --name" in page


def test_a_host_shows_what_runs_and_what_ran(bob: Client) -> None:
    job, host = make_job(frames={Status.RUNNING: 1, Status.FAILED: 1}), make_host("render-041", os="Linux")
    make_attempt(job, 0, host=host)
    make_attempt(job, 1, host=host, ending="failed", error_line="no texture")
    page = bob.get(reverse("worker", args=[host.id])).content.decode()
    assert page.count('<tr id="attempt-') == 2 and "no texture" in page and "Linux" in page
    assert bob.get(reverse("worker", args=[host.id + 999])).status_code == 404
