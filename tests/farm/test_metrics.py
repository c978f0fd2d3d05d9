"""What Prometheus reads: it parses, says what is true, never falls where it must not, and is not for everybody."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from farm import metrics
from qbcore import folding, housekeeping, measures, submission, verbs
from qbcore.models import TotalRow
from tests.hand import FOUR_FRAMES, Hand, drive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scrape looks anew, and what failed counts at once."""
    monkeypatch.setattr(metrics, "CACHED", 0)
    monkeypatch.setattr(measures, "SETTLED", measures.SETTLED * 0)


def scrape(client: Client) -> dict[str, float]:
    """Every sample: name{label}, and its value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.content
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            label = ",".join(sample.labels.values())
            found[f"{sample.name}{{{label}}}" if label else sample.name] = sample.value
    return found


def test_the_numbers_follow_what_happens(client: Client) -> None:
    hand = Hand(slots=2)
    before = scrape(client)
    assert (before["farm_jobs{pending}"], before["farm_frames_completed_total"], before["farm_slots"]) == (0, 0, 2)
    submission.submit(FOUR_FRAMES)
    hand.begin()
    folding.sweep()
    during = scrape(client)
    assert (during["farm_jobs{running}"], during["farm_frames{running}"], during["farm_slots_used"]) == (1, 2, 2)
    assert (during["farm_hosts{active}"], during["farm_hosts{down}"], during["farm_deltas_pending"]) == (1, 0, 0)
    hand.report(0)
    hand.report(1)
    folding.sweep()
    after = scrape(client)
    assert (after["farm_frames{complete}"], after["farm_frames{failed}"]) == (1, 1)
    assert (after["farm_frames_completed_total"], after["farm_frames_failed_total"]) == (1, 1)
    assert after["farm_disk_free_bytes"] > 0 and after["farm_disk_size_bytes"] > after["farm_disk_free_bytes"]


def test_what_the_farm_has_done_never_becomes_less(client: Client) -> None:
    jobs = [submission.submit(FOUR_FRAMES)["id"] for _ in range(3)]
    drive(Hand(slots=2), exits=lambda frame: 1 if frame["name"] == "4" else 0)
    whole = scrape(client)
    assert (whole["farm_frames_completed_total"], whole["farm_frames_failed_total"]) == (9, 3)
    for job in jobs[:2]:
        verbs.remove(job)
    assert TotalRow.objects.filter(name=measures.COMPLETE).count() == 2
    for _ in range(2):
        told = scrape(client)
        assert (told["farm_frames_completed_total"], told["farm_frames_failed_total"]) == (9, 3)
        housekeeping.forget()
    assert TotalRow.objects.filter(name=measures.COMPLETE).count() == 1


def test_a_look_costs_the_same_few_statements_however_large_the_farm(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        submission.submit(FOUR_FRAMES)
        Hand(f"host-{_}")
    scrape(client)
    with django_assert_max_num_queries(20):
        scrape(client)


def test_one_look_answers_many_scrapes(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CACHED", 1e9)
    first = scrape(client)
    submission.submit(FOUR_FRAMES)
    assert scrape(client)["farm_jobs{pending}"] == first["farm_jobs{pending}"]


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "10.0.0.9"}, {"Forwarded": "for=10.0.0.9"}, {"X-Real-IP": "x"}]
)
def test_a_proxy_of_this_machine_is_not_this_machine(client: Client, headers: dict[str, str]) -> None:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 403 and b"FARM_METRICS_TOKEN" in answer.content


@pytest.mark.parametrize(
    ("address", "given", "status"),
    [
        ("127.0.0.1", "", 200), ("::1", "", 200), ("10.0.0.9", "", 403), ("", "", 403),
        ("10.0.0.9", "Bearer wrong", 403), ("127.0.0.1", "Bearer wrong", 403),
        ("10.0.0.9", "Bearer secret", 200), ("10.0.0.9", "Basic secret", 403),
    ],
)  # fmt: skip
def test_numbers_are_for_this_machine_and_for_who_has_the_token(
    client: Client, settings: Any, address: str, given: str, status: int
) -> None:
    settings.FARM_METRICS_TOKEN = "secret"
    headers = {"Authorization": given} if given else {}
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


def test_without_a_token_nobody_else_may_read(client: Client) -> None:
    assert client.get("/metrics", headers={"Authorization": "Bearer "}, REMOTE_ADDR="10.0.0.9").status_code == 403


def test_without_the_database_the_answer_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError

    monkeypatch.setattr(metrics, "measure", away)
    answer = client.get("/metrics")
    assert answer.status_code == 503 and b"database does not answer" in answer.content


def test_labels_do_not_grow_with_what_people_type() -> None:
    paths = ["/jobs", "/jobs/1", "/wp-login.php", "/api/v1/submit", "/static/js/farm.js", "/worker/v1/sync",
             "/worker/v1/log/4/out", "/worker/v1/nonsense", "/"]  # fmt: skip
    assert [metrics.kind({"path": path}) for path in paths] == [
        *("page", "page", "page", "api", "static", "worker_sync", "worker_log", "worker_other", "page")
    ]
