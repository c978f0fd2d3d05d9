"""How many places a job takes: its cap, and the flag with which it grows to every host that is free."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, queries, submission, verbs
from qbcore.models import GrantRow, SubjobRow
from qbcore.states import PLACED, Status
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive

pytestmark = pytest.mark.django_db
TEN = {**FOUR_FRAMES, "package": {"cmdline": "true", "range": "1-10"}}


def submit(**given: Any) -> int:
    return int(submission.submit({**TEN, **given})["id"])


def given(hand: Hand) -> int:
    return len(hand.sync(room=True)["starts"])


def places(job: int) -> list[str]:
    found = SubjobRow.objects.filter(job_id=job).order_by("idx").values_list("status", flat=True)
    return [Status(status).word for status in found]


def test_no_more_subjobs_run_at_once_than_max_cpus() -> None:
    job = submit(cpus=5, max_cpus=2)
    first, second = Hand(slots=1), Hand("render-02", slots=4)
    assert (given(first), given(second), given(Hand("render-03"))) == (1, 1, 0)
    folding.sweep()
    assert given(second) == 0
    first.end_all()
    folding.sweep()
    assert given(second) == 1
    assert SubjobRow.objects.filter(job_id=job, status__in=PLACED).count() == 2


def test_a_suspended_subjob_keeps_its_place() -> None:
    job = submit(cpus=3, max_cpus=1)
    Hand(slots=1).begin()
    verbs.suspend(job)
    verbs.unblock(job)
    assert given(Hand("render-02")) == 0


@pytest.mark.parametrize("cap", [0, -1, None, ""])
def test_without_a_cap_all_subjobs_run(cap: Any) -> None:
    submit(cpus=5, max_cpus=cap)
    assert given(Hand(slots=8)) == 5


def test_a_job_with_a_cap_is_done_in_the_end() -> None:
    submit(cpus=5, max_cpus=2)
    assert len(drive(Hand(slots=8))) == 10


def test_an_expanding_job_grows_to_every_free_slot() -> None:
    job = submit(cpus=2, flags="expand")
    first, second = Obedient(slots=4), Obedient("render-02", slots=3)
    assert (given(first), given(second)) == (4, 3)
    folding.sweep()
    found = queries.jobinfo(id=job)[0]
    assert (found["cpus"], found["cpustally"]["running"], len(places(job))) == (7, 7, 7)
    assert sorted([*drive(first), *drive(second)]) == sorted(str(frame) for frame in range(1, 11))
    assert queries.jobinfo(id=job)[0]["status"] == "complete"


def test_an_expanding_job_never_has_more_places_than_items() -> None:
    job = submit(flags="expand", package={"cmdline": "true", "range": "1-3"})
    assert given(Hand(slots=8)) == 3
    assert len(places(job)) == 3


def test_an_expanding_job_stops_at_its_cap() -> None:
    job = submit(cpus=1, max_cpus=4, flags="expand")
    assert given(Hand(slots=8)) == 4
    assert places(job) == ["running"] * 4


def test_subjobs_that_were_added_and_have_left_come_back_before_new_ones_are_made() -> None:
    job = submit(cpus=1, flags="expand")
    worker = Obedient(slots=3)
    assert given(worker) == 3
    verbs.interrupt(job)
    for _ in range(2):
        worker.sync()
    assert given(worker) == 3
    assert places(job) == ["running"] * 3


def test_without_agenda_a_job_expands_to_max_cpus_and_no_further() -> None:
    unit = {"prototype": "cmdline", "package": {"cmdline": "true"}, "flags": "expand"}
    free, capped = submission.submit(unit)["id"], submission.submit({**unit, "max_cpus": 3})["id"]
    drive(Hand(slots=8))
    assert (places(free), places(capped)) == (["complete"], ["complete"] * 3)
    assert GrantRow.objects.count() == 4


def test_a_job_that_is_held_does_not_grow() -> None:
    job = submit(cpus=1, flags="expand")
    Hand(slots=1).begin()
    verbs.block(job)
    assert given(Hand("render-02")) == 0
    assert places(job) == ["running"]
