"""A subjob is placed with what it does first: how many statements that costs, and that nothing is made in vain."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from qbcore import backend, folding, hosts, submission, verbs
from qbcore.control import asking, placing
from qbcore.control.placing import Placed, Placing
from qbcore.models import AttemptRow, DeltaRow, GrantRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Ending, Status
from qbcore.waiting import waiting
from qbcore.writing import clock, on_postgres
from tests.hand import FOUR_FRAMES, Hand

pytestmark = pytest.mark.django_db
ITSELF = {"prototype": "cmdline", "package": {"cmdline": "true"}}
STATEMENTS = {True: 8, False: 22}
"""Of a request that places one subjob, on PostgreSQL or not, with one that looks for news."""


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "cpus": 4, **given})["id"])


def asked(hand: Hand) -> int:
    """How many statements a request takes that is given one subjob with one frame."""
    hand.seq += 1
    said = {"session": hand.session, "seq": hand.seq, "held": {}, "room": True}
    with CaptureQueriesContext(connection) as queries:
        answer = backend.sync(hand.id, said)
    assert [len(start["frames"]) for start in answer["starts"]] == [1]
    return len(queries)


@pytest.mark.parametrize("job", [{}, ITSELF, {"requirements": "host.os == Linux"}], ids=["frames", "itself", "asking"])
def test_a_subjob_is_placed_with_few_statements(job: dict[str, Any]) -> None:
    submit(**job)
    hands = [Hand(f"render-{number}", slots=1) for number in range(3)]
    waiting.reload()
    counts = [asked(hand) for hand in hands]
    assert counts[-1] <= STATEMENTS[on_postgres()], "the first ones prepare statements and read what waits"


def place(job: int, host: Hand, **how: Any) -> Placed:
    row = asking.ready(job)
    assert row is not None
    wanted = Placing(row, HostRow.objects.get(pk=host.id), {"host.processors": 1}, **{"count": 1, **how})
    return placing.place(wanted, now=clock())


def test_frames_that_are_given_ahead_are_reserved_and_the_first_one_runs() -> None:
    job, hand = submit(), Hand()
    placed = place(job, hand, count=3)
    assert placed.grant is not None
    assert [frame.name for frame in placed.frames] == ["1", "2", "3"]
    mine = WorkRow.objects.filter(grant_id=placed.grant.pk).order_by("pos")
    assert [Status(item.status) for item in mine] == [Status.RUNNING, Status.PENDING, Status.PENDING]
    assert [item.reserved_until is None for item in mine] == [True, False, False]
    assert list(AttemptRow.objects.values_list("frame", "number", "host_name")) == [("1", 1, "render-01")]
    subjob = SubjobRow.objects.get(job_id=job, idx=0)
    assert (subjob.status, subjob.grant_id, subjob.host_id) == (Status.RUNNING, placed.grant.pk, hand.id)
    assert GrantRow.objects.get().taken == {"host.processors": 1}
    row = folding.fold(job)
    assert row is not None and (row.n_running, row.n_pending, row.s_running) == (1, 3, 1)


def test_nothing_is_made_where_no_frame_is_free() -> None:
    job, hand = submit(), Hand()
    assert len(place(job, hand, count=4).frames) == 4
    grants, deltas = GrantRow.objects.count(), DeltaRow.objects.count()
    assert place(job, hand) == Placed(None, [], waits=True)
    assert (GrantRow.objects.count(), DeltaRow.objects.count()) == (grants, deltas)
    assert SubjobRow.objects.filter(job_id=job, status=Status.RUNNING).count() == 1


def test_nothing_is_made_where_no_subjob_waits() -> None:
    job, hand = submit(cpus=1), Hand()
    assert place(job, hand).grant is not None
    assert place(job, hand) == Placed(None, [], waits=False)
    assert WorkRow.objects.filter(job_id=job, status=Status.RUNNING).count() == 1


@pytest.mark.parametrize("job", [{}, ITSELF], ids=["frames", "itself"])
def test_the_lowest_subjob_goes_first_and_those_that_are_out_stay(job: dict[str, Any]) -> None:
    number, hand = submit(cpus=3, **job), Hand()
    placed = [place(number, hand, out=[0]).grant, place(number, hand).grant, place(number, hand).grant]
    assert [grant and grant.idx for grant in placed] == [1, 0, 2]


def test_a_subjob_that_is_its_own_work_has_an_attempt_each_time() -> None:
    job, hand = submit(cpus=1, **ITSELF), Hand()
    hand.sync(room=True)
    verbs.interrupt(job)
    hand.end_all()
    folding.fold(job)
    hand.sync(room=True)
    attempts = AttemptRow.objects.filter(job_id=job).order_by("pk")
    assert list(attempts.values_list("number", "ending")) == [(1, Ending.INTERRUPTED), (2, "")]
    assert SubjobRow.objects.get(job_id=job).attempt_id == attempts[1].pk


def test_frames_that_failed_on_the_host_stay_for_others() -> None:
    job, hand = submit(), Hand()
    soon = clock().replace(year=2100)
    WorkRow.objects.filter(job_id=job, pos__lt=3).update(avoid_host=hand.id, avoid_until=soon)
    assert [frame.name for frame in place(job, hand, count=4, shun=hand.id).frames] == ["4"]
    assert place(job, hand, shun=hand.id) == Placed(None, [], waits=True)


def test_a_job_that_is_not_ready_is_not_started() -> None:
    job = submit()
    verbs.block(job)
    assert asking.ready(job) is None
    assert asking.ready(job + 1) is None
    assert JobRow.objects.get(pk=job).status == Status.BLOCKED


def test_one_request_ends_a_grant_and_begins_the_next_frame_of_another_job() -> None:
    one = {"package": {"cmdline": "true", "range": "1"}, "cpus": 1}
    jobs = [submit(**one) for _ in range(3)]
    hand = Hand(slots=1)
    hand.sync(room=True)
    for job in jobs[1:]:
        [(grant, frame)], hand.frames = hand.frames, []
        line = hand.ended(grant, frame)
        answer = hand.sync(reports=[line], want=[grant], room_if_over=True)
        assert (answer["over"], answer["filled"]) == ([grant], True)
        assert [start["job"]["id"] for start in answer["starts"]] == [job]


def test_a_request_that_asks_for_nothing_in_the_place_of_what_is_over_is_given_nothing() -> None:
    one = {"package": {"cmdline": "true", "range": "1"}, "cpus": 1}
    submit(**one), submit(**one)
    hand = Hand(slots=1)
    hand.sync(room=True)
    [(grant, frame)], hand.frames = hand.frames, []
    answer = hand.sync(reports=[hand.ended(grant, frame)], want=[grant])
    assert (answer["over"], answer["starts"], "filled" in answer) == ([grant], [], False)


def test_a_host_that_goes_on_with_its_job_is_not_asked_about_others() -> None:
    submit(cpus=1), submit(cpus=1, priority=1)
    hand = Hand(slots=1)
    hand.sync(room=True)
    [(grant, frame)], hand.frames = hand.frames, []
    answer = hand.sync(reports=[hand.ended(grant, frame)], want=[grant], room_if_over=True)
    assert [one["name"] for one in answer["frames"][str(grant)]] == ["2"]
    assert (answer["starts"], "filled" in answer) == ([], False)


def test_a_hello_of_a_host_that_holds_nothing_is_four_statements() -> None:
    hand = Hand()
    said = {"protocol": 2, "previous": hand.session, "facts": {"os": "Linux", "slots": 2}, "held": {}}
    counts = []
    for letter in "bcd":
        with CaptureQueriesContext(connection) as queries:
            hosts.hello(hand.id, {**said, "session": letter * 32, "previous": hand.session})
        hand.session = letter * 32
        counts.append(len(queries))
    assert counts[-1] <= 4 + (not on_postgres()), "with those that begin and end it"
