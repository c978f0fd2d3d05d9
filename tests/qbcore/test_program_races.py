"""Programs of several hosts ask for the items of one job at the same moment, on PostgreSQL: each is done once."""

from __future__ import annotations

from collections import Counter

import pytest

from qbcore import looping, submission, verbs
from qbcore.models import AttemptRow, WorkRow
from qbcore.states import Status
from tests.qbcore.test_races import assert_sound, settled
from tests.racers import Racer, at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
LOOP = {"prototype": "loop", "cpus": 8, "reservations": "host.lane0=1"}


def submit(items: int, **given: object) -> int:
    agenda = [{"name": str(number)} for number in range(1, items + 1)]
    return int(submission.submit({**LOOP, "agenda": agenda, **given})["id"])


def test_eight_programs_do_each_item_once(eight: list[Racer]) -> None:
    job = submit(60)
    done = Counter(name for names in at_once(eight, "work_off") for name in names)
    assert done == Counter(str(number) for number in range(1, 61))
    row = settled(job)
    assert (row.status, row.n_complete, row.s_complete) == (Status.COMPLETE, 60, 8)
    assert AttemptRow.objects.filter(job_id=job, pos__gte=0, ending="complete").count() == 60
    assert_sound(row)


def test_of_calls_that_meet_each_gives_or_ends_one_item(eight: list[Racer]) -> None:
    """Four times the same question and four times the same report, at once: the program holds one item at most."""
    for _ in range(10):
        job = submit(8, cpus=1)
        eight[0].send("take")
        assert eight[0].answer() == 1
        at_once(eight, "ask_and_tell", job)
        held = WorkRow.objects.filter(job_id=job, status=Status.RUNNING).count()
        assert held <= 1
        open_ones = AttemptRow.objects.filter(job_id=job, pos__gte=0, ended__isnull=True).count()
        assert open_ones == held
        verbs.kill(job)
        eight[0].send("leave")
        eight[0].answer()
        assert_sound(settled(job))


def test_items_killed_while_programs_take_them_are_nobodys(eight: list[Racer]) -> None:
    for _ in range(5):
        job = submit(40)
        for racer in eight[:7]:
            racer.send("take")
        assert sum(racer.answer() for racer in eight[:7]) == 7
        at_once(eight, "ask_or_kill", job)
        assert not WorkRow.objects.filter(job_id=job, status=Status.RUNNING).exclude(pos__gte=20).exists()
        stopped = AttemptRow.objects.filter(job_id=job, pos=-1, ending="interrupted").count()
        assert stopped == AttemptRow.objects.filter(job_id=job, pos__gte=0, ending="killed").count()
        verbs.kill(job)
        at_once(eight, "leave")
        assert_sound(settled(job))
        assert looping.end_overdue() == 0
