"""A seeded farm is one that could have come about: everything in it agrees with everything else."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from farm.seed import hosts, jobs, pictures
from qbcore import folding, housekeeping, logs
from qbcore.acting import FARM, acting_as
from qbcore.models import AttemptRow, GrantRow, HistoryRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.seeding.farms import Seeder
from qbcore.states import PLACED, Ending, HostState, Status
from qbcore.submission import submit
from qbcore.writing import clock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seeded(settings: Settings, tmp_path: Path) -> None:
    settings.FARM_DATA = tmp_path
    dice, now = random.Random(7), clock()
    plans = list(jobs.many(120, dice, now, frames=(1, 4, 30), running=20))
    for number, plan in enumerate(plans, start=500):
        plan.id = number
    Seeder(now, dice).write(hosts.many(40, dice), plans)


def tallies(row: type[WorkRow] | type[SubjobRow]) -> Counter[tuple[int, int]]:
    return Counter(row.objects.values_list("job_id", "status"))


@pytest.mark.usefixtures("seeded")
def test_the_tallies_of_every_job_are_what_its_frames_and_subjobs_are() -> None:
    work, subjobs = tallies(WorkRow), tallies(SubjobRow)
    for job in JobRow.objects.all():
        for status in Status:
            assert getattr(job, f"n_{status.word}") == work[job.pk, status]
            assert getattr(job, f"s_{status.word}") == subjobs[job.pk, status]


@pytest.mark.usefixtures("seeded")
def test_a_fold_of_a_seeded_job_changes_neither_its_status_nor_its_subjobs() -> None:
    before = dict(JobRow.objects.values_list("pk", "status")), tallies(SubjobRow)
    assert len(set(before[0].values())) >= 5
    for job in before[0]:
        folding.fold(job)
    assert (dict(JobRow.objects.values_list("pk", "status")), tallies(SubjobRow)) == before


@pytest.mark.usefixtures("seeded")
def test_what_runs_is_on_a_host_that_has_room_for_it() -> None:
    running = SubjobRow.objects.filter(status__in=PLACED)
    assert running.count() == WorkRow.objects.filter(status__in=PLACED).count() > 10
    grants = {grant.pk: grant for grant in GrantRow.objects.filter(ended__isnull=True)}
    assert {subjob.grant_id for subjob in running} == set(grants)
    taken: Counter[int] = Counter()
    for grant in grants.values():
        taken[grant.host_id] += grant.taken["host.processors"]
    slots = {host.pk: host.totals["processors"] for host in HostRow.objects.filter(state=HostState.ACTIVE)}
    assert all(count <= slots[host] for host, count in taken.items())


@pytest.mark.usefixtures("seeded")
def test_the_log_of_an_attempt_that_failed_holds_its_error_line() -> None:
    failed = list(AttemptRow.objects.filter(ending=Ending.FAILED))
    assert len(failed) > 10
    for row in failed:
        text = logs.attempt_log(row.pk, "out")[0].decode()
        assert row.error_line in text and row.frame in text
        assert row.ended is not None and row.started < row.ended


@pytest.mark.usefixtures("seeded")
def test_housekeeping_leaves_the_seeded_farm_as_it_is() -> None:
    before = dict(HostRow.objects.values_list("name", "state")), tallies(WorkRow), HistoryRow.objects.count()
    for _ in range(2):
        for duty in housekeeping.DUTIES:
            duty.do()
    assert (dict(HostRow.objects.values_list("name", "state")), tallies(WorkRow), HistoryRow.objects.count()) == before


@pytest.mark.usefixtures("seeded")
def test_the_farm_goes_on_counting_after_what_was_seeded() -> None:
    with acting_as(FARM):
        [job] = submit({"prototype": "cmdrange", "package": {"range": "1-3", "cmdline": "true"}})
    assert job["id"] == 620


def test_the_pictured_jobs_are_as_they_are_drawn() -> None:
    found = {plan.id: plan for plan in pictures.jobs(random.Random(1), clock())}
    assert len(found) == pictures.JOBS and max(found) == 84213
    beauty = found[84213]
    assert beauty.todo == 2400 and beauty.work[Status.FAILED] == 412 and beauty.work[Status.RUNNING] == 64
    assert found[84102].name == "fx_kelpsim_v012"


def test_the_pictured_hosts_are_as_they_are_drawn() -> None:
    found = hosts.pictured(random.Random(1))
    assert Counter(host.state for host in found) == {HostState.ACTIVE: 298, HostState.DOWN: 14}
    assert sum(host.locked for host in found) == 5 and sum(host.banned for host in found) == 2


@pytest.mark.usefixtures("seeded")
def test_a_farm_that_has_jobs_is_not_seeded() -> None:
    with pytest.raises(SystemExit, match="has hosts or jobs"):
        call_command("seed", jobs=1, hosts=1)
    assert JobRow.objects.count() == 120
