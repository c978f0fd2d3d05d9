"""Operators change all hosts at once while their workers ask and report, on PostgreSQL: nothing is lost or stuck."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connection

from qbcore import folding, submission
from qbcore.models import GrantRow, HistoryRow, HostRow, JobRow, WorkRow
from qbcore.states import Status
from tests.hand import Obedient, drive
from tests.racers import Racer, at_once, racers

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
MANY = {"prototype": "cmdrange", "cpus": 8, "package": {"cmdline": "true", "range": "1-60"}}


@pytest.fixture(scope="module")
def processes(django_db_setup: None) -> Iterator[list[Racer]]:
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    with racers(5, f"{server}/{connection.settings_dict['NAME']}") as found:
        yield found


def test_two_operators_and_three_workers_at_once_lose_no_frame(processes: list[Racer], transactional_db: None) -> None:
    at_once(processes, "forget")
    at_once(processes, "take")  # all have joined
    job = submission.submit(MANY)["id"]
    at_once(processes, "care_and_work", 12)
    assert set(HostRow.objects.values_list("locked", "drain", "lock_slots")) == {(False, "", 0)}
    changed = HistoryRow.objects.filter(verb__in=["lock", "drain"]).count()
    assert changed == HistoryRow.objects.filter(verb__in=["unlock", "undrain"]).count() > 0
    at_once(processes, "leave")
    drive(Obedient("last", slots=8))
    folding.sweep()
    assert set(WorkRow.objects.filter(job_id=job).values_list("status", flat=True)) == {Status.COMPLETE}
    assert JobRow.objects.get(pk=job).n_complete == 60
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
