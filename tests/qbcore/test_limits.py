"""Time limits: an item that runs too long fails; a subjob that does fails itself and hands its item back."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, queries, submission
from qbcore.models import AttemptRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Obedient, drive

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "timelimit": 60, **given})["id"])


def hit(worker: Obedient, reason: str = "timelimit") -> None:
    """The oldest frame was ended at its limit; a subjob's limit ends the grant too."""
    grant, frame = worker.frames.pop(0)
    line = worker.ended(grant, frame, exit=None, signal=15, reason=reason, message=f"ran longer than its {reason}")
    if reason == "timelimit":
        worker.held.pop(grant)
    worker.sync(reports=[line], gone=[grant] if reason == "timelimit" else [])
    folding.sweep()


def places(job: int) -> list[tuple[str, int]]:
    rows = SubjobRow.objects.filter(job_id=job).order_by("idx").values_list("status", "retries")
    return [(Status(status).word, retries) for status, retries in rows]


def items(job: int) -> list[str]:
    rows = WorkRow.objects.filter(job_id=job).order_by("pos").values_list("status", flat=True)
    return [Status(status).word for status in rows]


def test_a_subjob_at_its_limit_fails_and_its_item_is_somebody_else_s() -> None:
    job, worker = submit(), Obedient(slots=2)
    worker.begin()
    hit(worker)
    assert places(job) == [("failed", 0), ("running", 0)]
    assert items(job) == ["pending", "running", "pending", "pending"]
    [attempt] = AttemptRow.objects.filter(ending="failed")
    assert (attempt.frame, attempt.message) == ("1", "ran longer than its timelimit")
    assert WorkRow.objects.get(name="1").retries == 0, "it is not the item that failed"
    assert sorted(drive(worker)) == ["1", "2", "3", "4"]
    assert queries.jobinfo(id=job)[0]["status"] == "failed", "one of its subjobs is"


def test_a_subjob_that_may_be_tried_again_is_pending() -> None:
    job, worker = submit(cpus=1, retrysubjob=1), Obedient(slots=1)
    worker.begin()
    hit(worker)
    assert (places(job), items(job)) == ([("pending", 1)], ["pending"] * 4)
    worker.begin()
    hit(worker)
    assert places(job) == [("failed", 1)]


def test_with_the_last_live_subjob_the_live_work_fails() -> None:
    job, worker = submit(cpus=1), Obedient(slots=1)
    worker.begin()
    worker.end_one(0)
    hit(worker)
    [found] = queries.jobinfo(id=job)
    assert (items(job), found["status"], found["reason"]) == (
        ["complete", "failed", "failed", "failed"], "failed", "no subjob left",
    )  # fmt: skip


@pytest.mark.parametrize("reason", ["agenda_timelimit", "timelimit"])
def test_an_item_at_its_own_limit_fails_and_its_subjob_goes_on(reason: str) -> None:
    job, worker = submit(cpus=1, timelimit=-1, agenda_timelimit=30, retrywork=1), Obedient(slots=1)
    worker.begin()
    grant, frame = worker.frames.pop(0)
    worker.sync(reports=[worker.ended(grant, frame, exit=None, signal=15, reason=reason)])
    assert (places(job), WorkRow.objects.get(name="1").retries) == ([("running", 0)], 1)
    assert worker.frames[0][1]["name"] == "1", "and is tried again"


def test_a_unit_without_agenda_that_hits_its_limit_fails() -> None:
    job = int(submission.submit({"prototype": "cmdline", "timelimit": 5, "package": {"cmdline": "sleep 9"}})["id"])
    worker = Obedient(slots=1)
    worker.begin()
    hit(worker)
    assert (places(job), queries.jobinfo(id=job)[0]["status"]) == ([("failed", 0)], "failed")
