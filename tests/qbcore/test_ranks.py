"""Claims of a long job begin where the last one found something, and still find all that comes back before that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError

from qbcore import folding, submission, verbs
from qbcore.control import ranks as module
from qbcore.control import work
from qbcore.control.ranks import LONG, ranks
from qbcore.models import DeltaRow, JobRow
from qbcore.states import Status
from qbcore.writing import ask, clock
from tests.hand import Hand
from tests.make import make_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolled back tests give the same numbers to other jobs."""
    monkeypatch.setattr(ranks, "_known", {})


def short(frames: int = LONG) -> tuple[int, Hand]:
    """A job whose frames are short, and a host that holds the first ten of them."""
    package = {"cmdline": "true", "range": f"1-{frames}"}
    job = int(submission.submit({"prototype": "cmdrange", "package": package})["id"])
    JobRow.objects.filter(pk=job).update(timed=10, seconds=1.0)
    hand = Hand(slots=1)
    hand.sync(room=True)
    return job, hand


def again(hand: Hand, code: int = 0) -> list[int]:
    """Reports all frames in hand; the positions of those that are given for them."""
    frames, hand.frames = hand.frames, []
    lines = [hand.ended(grant, frame, elapsed=0.1, exit=code) for grant, frame in frames]
    hand.sync(reports=lines, want=list(hand.held))
    return [frame["pos"] for _, frame in hand.frames]


def test_claims_of_a_long_job_begin_where_the_last_one_found_something() -> None:
    job, hand = short()
    assert again(hand) == list(range(10, 20))
    assert ranks.first(job) == 10


def test_short_jobs_are_looked_at_whole_each_time() -> None:
    job, hand = short(LONG - 1)
    assert again(hand) == list(range(10, 20))
    assert ranks.first(job) == 0


def test_an_item_that_comes_back_has_its_turn_at_once() -> None:
    job, hand = short()
    again(hand)
    verbs.retrywork(f"{job}:3")
    assert again(hand)[0] == 2
    JobRow.objects.filter(pk=job).update(retrywork=3)
    failed = [frame["pos"] for _, frame in hand.frames]
    assert again(hand, code=1) == failed


def test_what_another_process_gave_back_is_found_before_anybody_is_told_that_nothing_is_left() -> None:
    job, hand = short()
    again(hand)
    ranks.found(job, LONG - 4, begun=0)
    assert again(hand) == [*range(LONG - 4, LONG), *range(20, 26)]
    assert ranks.first(job) == 0


def test_all_is_looked_at_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    job, hand = short()
    monkeypatch.setattr(module, "FRESH", 0.0)
    again(hand)
    ranks.found(job, LONG - 4, begun=0)
    assert again(hand) == list(range(20, 30))


def test_a_claim_that_began_before_something_came_back_says_nothing() -> None:
    ranks.forget(424242)
    ranks.found(424242, 50, begun=40)
    assert ranks.first(424242) == 0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The jobs that the folder is to look at again."""
    told: list[int] = []
    monkeypatch.setattr(folding.folder, "add", told.append)
    return told


def complete_one(job: JobRow) -> None:
    work.turn(job.pk, work.take(job.pk, frm=[Status.PENDING], limit=1), Status.COMPLETE, now=clock())


def test_a_job_that_another_process_folded_just_now_is_folded_a_tick_later(later: list[int]) -> None:
    job = make_job(frames=4)
    JobRow.objects.filter(pk=job.pk).update(updated=clock())
    complete_one(job)
    folding._fold_now(job.pk)
    assert later == [job.pk]
    assert DeltaRow.objects.filter(job_id=job.pk).exists()
    JobRow.objects.filter(pk=job.pk).update(updated=clock() - timedelta(seconds=1))
    folding._fold_now(job.pk)
    assert JobRow.objects.get(pk=job.pk).n_complete == 1
    assert later == [job.pk]


def test_a_job_that_somebody_folded_and_one_that_was_removed_are_done(later: list[int]) -> None:
    job = make_job(frames=4)
    complete_one(job)
    folding.fold(job.pk)
    folding._fold_now(job.pk)
    folding._fold_now(424242)
    assert later == []


@pytest.mark.postgres
def test_a_hot_statement_that_fails_raises_what_any_other_does() -> None:
    job = make_job(frames=1)
    with pytest.raises(DataError, match="NUL"):
        ask("SELECT %s::text", ["a\0b"])
    assert ask("SELECT %s::text, %s::boolean, %s::bigint", ["a'b\\", True, None]) == [("a'b\\", True, None)]
    with pytest.raises(IntegrityError):
        ask("INSERT INTO work SELECT * FROM work WHERE job_id = %s::bigint RETURNING pos", [job.pk])
