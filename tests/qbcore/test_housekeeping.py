"""What the farm does by itself: each duty by one process at a time, and none stops the others."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from qbcore import folding, housekeeping, logs, runs, submission, verbs
from qbcore.housekeeping import DUTIES, Duty
from qbcore.models import AttemptRow, DutyRow, GrantRow, JobRow, RunRow, SubmissionRow, WorkRow
from qbcore.runs import Selection
from qbcore.states import Status
from tests.hand import Hand, drive, job_in
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=200)


def duty(name: str = "test", do: Any = lambda: None) -> Duty:
    return Duty(name, 10.0, do)


def test_all_that_is_due_is_taken_with_a_handful_of_questions(django_assert_max_num_queries: Any) -> None:
    done: list[str] = []
    duties = [Duty(f"duty {n}", 1.0, lambda n=n: done.append(str(n))) for n in range(8)]  # type: ignore[misc]
    housekeeping.tick(*duties)
    DutyRow.objects.update(until=None)
    with django_assert_max_num_queries(6):
        housekeeping.tick(*duties)
    assert done == [str(n) for n in [*range(8), *range(8)]]


def test_a_duty_is_one_process_s_until_its_pause_is_over() -> None:
    done: list[int] = []
    one = duty(do=lambda: done.append(1))
    for _ in range(3):
        housekeeping.tick(one)
    assert done == [1]
    DutyRow.objects.update(until=F("until") - timedelta(seconds=10))
    housekeeping.tick(one)
    housekeeping.tick(one)
    assert done == [1, 1]


def test_a_duty_that_fails_is_logged_and_comes_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping.connection, "close", lambda: None)

    def fail() -> None:
        raise OSError("disk is full")

    housekeeping.tick(duty(do=fail))
    assert "duty test failed now: disk is full" in caplog.text
    DutyRow.objects.update(until=None)
    housekeeping.tick(duty(do=fail))
    assert caplog.text.count("disk is full") == 2


class Rounds(threading.Event):
    """An event that is set after so many looks."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


def test_all_duties_are_done_until_told_to_stop() -> None:
    assert not housekeeping.ticking()
    housekeeping.run(Rounds(2))
    assert set(DutyRow.objects.values_list("name", flat=True)) == {*(one.name for one in DUTIES), "heard"}
    assert housekeeping.ticking()
    DutyRow.objects.update(ticked=F("ticked") - timedelta(minutes=1))
    assert not housekeeping.ticking()


def test_items_whose_delay_is_over_are_tried_again() -> None:
    job = job_in(Status.WAITING)
    assert housekeeping.due_retries() == 0
    WorkRow.objects.filter(pos__lt=3).update(wait_until=timezone.now() - timedelta(seconds=1))
    assert housekeeping.due_retries() == 3
    folding.sweep()
    assert list(WorkRow.objects.order_by("pos").values_list("status", flat=True)) == [Status.PENDING] * 3 + [
        Status.WAITING
    ]
    assert JobRow.objects.get(pk=job).status == Status.PENDING
    assert drive(Hand("another"), exits=lambda frame: 0) == ["1", "2", "3"]


def test_a_delay_that_begins_again_counts_from_its_own_start() -> None:
    job_in(Status.WAITING)
    left = [(row.wait_until - row.updated).total_seconds() for row in WorkRow.objects.all() if row.wait_until]
    assert left == [100.0] * 4


def test_tallies_that_nobody_folded_are_folded() -> None:
    job = submission.submit({"prototype": "cmdrange", "package": {"cmdline": "true", "range": "1-2"}})["id"]
    Hand().begin()
    assert JobRow.objects.get(pk=job).n_running == 0
    housekeeping.tick(next(one for one in DUTIES if one.name == "fold"))
    assert JobRow.objects.get(pk=job).n_running == 1


def test_runs_that_nobody_took_up_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(runs.carry, "_enqueue", [sent.append])
    run = runs.start("kill", Selection(jobs=(make_job().pk,)))
    assert housekeeping.send_runs() == 0
    RunRow.objects.update(created=F("created") - timedelta(seconds=11))
    assert (housekeeping.send_runs(), sent) == (1, [run])
    runs.execute(run, "me")
    assert housekeeping.send_runs() == 0


@pytest.mark.parametrize(
    ("over", "kept"),
    [(None, True), (timedelta(days=1), True), (LONG_AGO, False)],
    ids=["alive", "just over", "long over"],
)
def test_attempts_are_kept_until_their_job_has_long_been_over(over: timedelta | None, kept: bool) -> None:
    now = timezone.now()
    job = make_job(timecomplete=now - over if over else None)
    make_attempt(job, 0, host=make_host(), ending="complete", at=now - LONG_AGO)
    housekeeping.forget()
    assert AttemptRow.objects.exists() is kept


def test_what_is_left_of_a_removed_job_goes_in_time() -> None:
    host, now = make_host(), timezone.now()
    old, recent = make_job(), make_job()
    make_attempt(old, 0, host=host, ending="complete", at=now - LONG_AGO)
    make_attempt(recent, 0, host=host, ending="complete")
    verbs.remove(old.pk, recent.pk)
    housekeeping.forget()
    assert list(AttemptRow.objects.values_list("job_id", flat=True)) == [recent.pk]
    assert list(GrantRow.objects.values_list("job_id", flat=True)) == [recent.pk]


def test_keys_of_submissions_are_kept_for_a_day() -> None:
    now = timezone.now()
    for key, days in (("new", 0), ("old", 2)):
        SubmissionRow.objects.create(key=key, user="mira", at=now - timedelta(days=days))
    housekeeping.forget()
    assert SubmissionRow.objects.get().key == "new"


def test_logs_go_with_their_job(farm_data: Path) -> None:
    shutil.rmtree(farm_data / "logs", ignore_errors=True)
    host, kept, gone = make_host(), make_job(), make_job()
    for job in (kept, gone):
        attempt = make_attempt(job, 0, host=host)
        logs.append(host.pk, attempt.grant_id, "out", 0, b"x")
    verbs.remove(gone.pk)
    (farm_data / "logs" / "notes.txt").write_text("not ours")
    housekeeping.forget()
    assert (logs.folder(kept.pk).exists(), logs.folder(gone.pk).exists()) == (True, False)
    assert (farm_data / "logs" / "notes.txt").exists()
