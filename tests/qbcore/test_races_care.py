"""Operators change all hosts at once while their workers ask and report, on PostgreSQL: nothing is lost or stuck."""

from __future__ import annotations

import pytest

from qbcore import folding, submission
from qbcore.models import GrantRow, HistoryRow, HostRow, JobRow, WorkRow
from qbcore.states import Status
from tests.hand import Obedient, drive
from tests.racers import Racer, at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
MANY = {"prototype": "cmdrange", "cpus": 8, "package": {"cmdline": "true", "range": "1-60"}}


def test_two_operators_and_three_workers_at_once_lose_no_frame(eight: list[Racer]) -> None:
    at_once(eight, "take")  # all have joined
    job = submission.submit(MANY)["id"]
    at_once(eight, "care_and_work", 12)
    assert set(HostRow.objects.values_list("locked", "drain", "lock_slots")) == {(False, "", 0)}
    changed = HistoryRow.objects.filter(verb__in=["lock", "drain"]).count()
    assert changed == HistoryRow.objects.filter(verb__in=["unlock", "undrain"]).count() > 0
    at_once(eight, "leave")
    drive(Obedient("last", slots=8))
    folding.sweep()
    assert set(WorkRow.objects.filter(job_id=job).values_list("status", flat=True)) == {Status.COMPLETE}
    assert JobRow.objects.get(pk=job).n_complete == 60
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
