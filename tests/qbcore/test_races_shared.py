"""Many hosts want the same few licences and places at once, on PostgreSQL: nobody takes one too many."""

from __future__ import annotations

from collections import Counter

import pytest

from qbcore import folding, precedence, resources, submission, verbs
from qbcore.models import GrantRow, JobRow, ResourceRow, SubjobRow
from qbcore.states import PLACED, Status
from tests.racers import Racer, at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
MANY = {"prototype": "cmdrange", "cpus": 8, "package": {"cmdline": "true", "range": "1-20"}}


def used() -> int:
    return ResourceRow.objects.get(pk="license.maya").used


@pytest.mark.parametrize("count", [1, 3])
def test_eight_hosts_and_few_licences_never_hold_one_too_many(eight: list[Racer], count: int) -> None:
    resources.updateresources({"license.maya": count})
    job = submission.submit({**MANY, "reservations": "license.maya=1"})["id"]
    answers = at_once(eight, "drain_shared", job)
    assert Counter(name for names, _ in answers for name in names) == Counter(str(frame) for frame in range(1, 21))
    assert max(most for _, most in answers) <= count
    assert (used(), resources.audit(), JobRow.objects.get(pk=job).status) == (0, [], Status.COMPLETE)


def test_one_licence_that_eight_hosts_ask_for_at_once_is_given_to_one(eight: list[Racer]) -> None:
    resources.updateresources({"license.maya": 1})
    at_once(eight, "race")  # all have joined
    for _ in range(5):
        job = submission.submit({**MANY, "reservations": "license.maya=1"})["id"]
        assert sum(bool(frames) for frames in at_once(eight, "race")) == 1
        assert (used(), GrantRow.objects.filter(job_id=job, ended__isnull=True).count()) == (1, 1)
        verbs.kill(job)
        at_once(eight, "leave")
        assert used() == 0


def test_a_cap_holds_however_many_hosts_ask_at_once(eight: list[Racer]) -> None:
    at_once(eight, "race")
    for _ in range(5):
        job = submission.submit({**MANY, "max_cpus": 3, "reservations": "host.lane0=1"})["id"]
        placed = SubjobRow.objects.filter(job_id=job, status__in=PLACED)
        while placed.count() < 3:  # who meets the other's lock asks again
            at_once(eight, "race")
        at_once(eight, "race")
        assert placed.count() == 3
        verbs.kill(job)
        at_once(eight, "leave")
        folding.sweep()


def test_a_job_that_grows_on_eight_hosts_at_once_counts_its_subjobs_once(eight: list[Racer]) -> None:
    at_once(eight, "race")
    job = submission.submit({**MANY, "cpus": 1, "flags": "expand", "max_cpus": 6, "reservations": "host.lane0=1"})["id"]
    placed = SubjobRow.objects.filter(job_id=job, status__in=PLACED)
    while placed.count() < 6:
        at_once(eight, "race")
    at_once(eight, "race")
    assert sorted(placed.values_list("idx", flat=True)) == list(range(6))
    assert JobRow.objects.get(pk=job).cpus == 6


def test_jobs_that_many_move_to_the_top_at_once_all_stand_before_the_others(eight: list[Racer]) -> None:
    jobs = [submission.submit(MANY)["id"] for _ in range(10)]
    for number, racer in enumerate(eight):
        racer.send("top", jobs[number + 1])
    assert sorted(one for racer in eight for one in racer.answer()) == jobs[1:9]
    order = list(JobRow.objects.order_by("localorder", "pk").values_list("pk", flat=True))
    assert set(order[:8]) == set(jobs[1:9])
    assert precedence.bottom(order[0]) == [order[0]]


def test_a_licence_that_many_make_at_once_is_there_once(eight: list[Racer]) -> None:
    assert at_once(eight, "share", {"license.maya": 4}) == [4] * 8
    assert (ResourceRow.objects.count(), used()) == (1, 0)
