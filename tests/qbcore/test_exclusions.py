"""What a host is not given again: after a migration, after a failed frame, after failing a job again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F
from pytest_django import Settings

from qbcore import folding, hostcare, housekeeping, queries, submission, verbs, wrangling
from qbcore.models import ExclusionRow, HistoryRow, HostRow, JobRow, SubjobRow, TrackRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive

pytestmark = pytest.mark.django_db
MANY = {**FOUR_FRAMES, "cpus": 1, "package": {"cmdline": "true", "range": "1-40"}}


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "cpus": 1, **given})["id"])


def given(hand: Hand) -> list[int]:
    return [start["job"]["id"] for start in hand.sync(room=True)["starts"]]


def migrated(worker: Obedient, job: int) -> None:
    """The job ran on the worker's host and was sent away; its processes are gone."""
    assert given(worker) == [job]
    assert verbs.migrate(job) == [f"{job}.0"]
    worker.sync()
    worker.sync()
    folding.sweep()


def test_a_migrated_subjob_goes_to_another_host() -> None:
    job, worker, other = submit(), Obedient(slots=1), Hand("render-02")
    migrated(worker, job)
    assert (given(worker), given(other)) == ([], [job])


def test_a_host_that_is_passed_over_hides_nothing_from_others_and_takes_other_jobs() -> None:
    job, next_one, worker = submit(priority=1), submit(), Obedient(slots=1)
    Hand("render-02")
    migrated(worker, job)
    assert given(worker) == [next_one]
    assert given(Hand("render-03", slots=1)) == [job]


@pytest.mark.parametrize("other", ["none", "locked", "banned", "down", "another system"])
def test_a_migrated_subjob_comes_back_where_no_other_host_could_run_it(other: str) -> None:
    job, worker = submit(requirements="host.os == linux" if other == "another system" else ""), Obedient(slots=1)
    if other != "none":
        changed: dict[str, Any] = {"locked": {"locked": True}, "banned": {"banned": True}, "down": {"state": "down"}}
        Hand("render-02")
        HostRow.objects.filter(name="render-02").update(**changed.get(other, {"os": "irix"}))
    migrated(worker, job)
    assert given(worker) == [job]


def test_a_busy_host_counts_as_another_that_could_run_it() -> None:
    blocker, worker, busy = submit(priority=1), Obedient(slots=1), Hand("render-02", slots=1)
    assert given(busy) == [blocker]
    job = submit()
    migrated(worker, job)
    assert given(worker) == []


def test_after_ten_minutes_the_host_may_have_it_again() -> None:
    job, worker, _ = submit(), Obedient(slots=1), Hand("render-02")
    migrated(worker, job)
    ExclusionRow.objects.update(until=F("until") - timedelta(minutes=10))
    assert given(worker) == [job]
    housekeeping.forget()
    assert not ExclusionRow.objects.exists()


def test_only_the_subjob_that_was_sent_away_is_kept_out() -> None:
    job, worker, _ = submit(cpus=2), Obedient(slots=1), Hand("render-02")
    migrated(worker, job)
    assert given(worker) == [job]
    assert SubjobRow.objects.get(job_id=job, status=Status.RUNNING).idx == 1


def test_what_a_purged_host_ran_goes_to_others() -> None:
    job, worker, other = submit(), Obedient(slots=1), Hand("render-02")
    assert given(worker) == [job]
    assert hostcare.workerlock("render-01", purge=True, why="fan broken") == ["render-01"]
    worker.sync()
    worker.sync()
    folding.sweep()
    hostcare.workerlock("render-01", lock=False)
    assert (given(worker), given(other)) == ([], [job])


# -- a failed frame moves to another host --------------------------------------------------------------------------


def test_a_frame_that_failed_and_is_retried_moves_to_another_host() -> None:
    submit(flags="migrate_on_frame_retry", retrywork=1, package={"cmdline": "true", "range": "1-2"})
    worker, other = Obedient(slots=1), Hand("render-02", slots=1)
    worker.begin()
    worker.end_one(1)
    assert [frame["name"] for _, frame in worker.frames] == ["2"], "the next frame is still done here"
    worker.end_one(0)
    folding.sweep()
    assert (given(worker), WorkRow.objects.get(name="1").avoid_host) == ([], worker.id)
    assert drive(other) == ["1"]


def test_a_frame_that_failed_stays_where_no_other_host_could_do_it() -> None:
    submit(flags="migrate_on_frame_retry", retrywork=1)
    tries: list[str] = []

    def exits(frame: dict[str, Any]) -> int:
        tries.append(frame["name"])
        return int(tries.count(frame["name"]) == 1)

    drive(Hand(slots=1), exits=exits)
    assert sorted(tries) == ["1", "1", "2", "2", "3", "3", "4", "4"]


def test_without_the_flag_a_failed_frame_is_retried_where_it_was() -> None:
    submit(retrywork=1)
    worker, _ = Obedient(slots=1), Hand("render-02")
    worker.begin()
    worker.end_one(1)
    assert [frame["name"] for _, frame in worker.frames] == ["1"]


# -- hosts that fail a job again and again -------------------------------------------------------------------------


def fail(worker: Obedient, times: int) -> None:
    worker.begin()
    for _ in range(times):
        worker.end_one(1)


def test_a_host_that_fails_five_frames_in_a_row_is_not_given_the_job_again() -> None:
    job = submit(**MANY, flags="auto_wrangling")
    worker, other = Obedient(slots=1), Hand("render-02", slots=1)
    fail(worker, 4)
    assert not ExclusionRow.objects.exists()
    worker.end_one(1)
    assert list(ExclusionRow.objects.values_list("job_id", "idx", "host_id", "cause", "until")) == [
        (job, -1, worker.id, "wrangle", None)
    ]
    worker.sync()
    worker.sync()
    folding.sweep()
    assert (given(worker), given(other)) == ([], [job])
    assert "not given this job again" in HistoryRow.objects.get(verb="exclude").effect


@pytest.mark.parametrize("slots", [1, 3])
def test_frames_that_fail_in_no_time_are_not_given_by_the_dozen_either(slots: int) -> None:
    job = submit(**{**MANY, "cpus": slots}, flags="auto_wrangling")
    hand = Hand(slots=slots)
    hand.sync(room=True)
    for _ in range(12):
        batch, hand.frames = hand.frames, []
        ended = [hand.ended(grant, frame, exit=2, elapsed=0.003) for grant, frame in batch]
        hand.sync(reports=ended, want=[grant for grant, held in hand.held.items() if not held])
    assert ExclusionRow.objects.get().job_id == job
    failed = WorkRow.objects.filter(job_id=job, status=Status.FAILED).count()
    assert 5 <= failed < 5 + slots


def test_a_host_that_does_well_is_given_short_frames_by_the_dozen() -> None:
    submit(**MANY, flags="auto_wrangling")
    hand = Hand(slots=1)
    hand.sync(room=True)
    grant, frame = hand.frames.pop()
    hand.sync(reports=[hand.ended(grant, frame, elapsed=0.003)], want=[grant])
    assert len(hand.frames) > 5


def test_the_farm_does_not_interrupt_a_job_that_must_not_be() -> None:
    job = submit(**MANY, flags="auto_wrangling,uninterruptible")
    worker = Obedient(slots=1)
    fail(worker, 5)
    assert ExclusionRow.objects.exists()
    worker.sync()
    assert SubjobRow.objects.get(job_id=job).asked == ""
    assert worker.frames, "it goes on where it is"


def test_a_job_that_every_host_failed_says_so() -> None:
    job = submit(**MANY, flags="auto_wrangling")
    worker = Obedient(slots=1)
    fail(worker, 5)
    worker.sync()
    worker.sync()
    folding.sweep()
    assert queries.jobinfo(id=job)[0]["reason"] == "no host is left that has not failed it again and again"


def test_a_success_in_between_starts_the_count_anew() -> None:
    submit(**MANY, flags="auto_wrangling")
    worker = Obedient(slots=1)
    fail(worker, 4)
    worker.end_one(0)
    fail(worker, 4)
    assert not ExclusionRow.objects.exists()
    assert list(TrackRow.objects.values_list("failed", "succeeded")) == [(4, True)]


def test_a_job_that_fails_on_every_host_is_the_job_s_own_fault() -> None:
    submit(**{**MANY, "cpus": 2}, flags="auto_wrangling")
    first, second = Obedient(slots=1), Obedient("render-02", slots=1)
    fail(first, 1)
    fail(second, 6)
    fail(first, 6)
    assert not ExclusionRow.objects.exists()


def test_a_host_is_kept_out_where_another_succeeded() -> None:
    submit(**{**MANY, "cpus": 2}, flags="auto_wrangling")
    good, bad = Obedient(slots=1), Obedient("render-02", slots=1)
    good.begin()
    fail(bad, 3)
    good.end_one(0)
    fail(bad, 2)
    assert ExclusionRow.objects.get().host_id == bad.id


@pytest.mark.parametrize(
    ("flags", "site", "watched"),
    [("", False, False), ("", True, True), ("no_defaults", True, False), ("auto_wrangling,no_defaults", False, True)],
)
def test_who_watches_is_a_flag_of_the_job_or_a_default_of_the_site(
    flags: str, site: bool, watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "FARM_AUTO_WRANGLING", site)
    assert wrangling.watches(JobRow.objects.get(pk=submit(flags=flags))) is watched


def three_jobs_failed() -> Obedient:
    """A host that failed three jobs within the hour."""
    worker = Obedient(slots=1)
    for _ in range(3):
        job = submit(**MANY, flags="auto_wrangling", requirements="host.name == render-01")
        fail(worker, 5)
        verbs.kill(job)
        worker.sync()
        worker.sync()
        folding.sweep()
    return worker


def test_a_host_that_failed_three_jobs_within_an_hour_is_locked_and_says_why() -> None:
    three_jobs_failed()
    host, jobs = HostRow.objects.get(), list(JobRow.objects.order_by("pk").values_list("pk", flat=True))
    assert (host.locked, host.reason) == (
        True, f"failed 5 frames in a row of each of the jobs {jobs[0]}, {jobs[1]}, {jobs[2]}",
    )  # fmt: skip
    line = HistoryRow.objects.get(verb="lock")
    assert (line.actor, line.host_name) == ("farm", "render-01")


def test_an_unlocked_host_is_forgiven_what_it_did_in_the_last_hour() -> None:
    worker = three_jobs_failed()
    old = ExclusionRow.objects.order_by("pk")[0]
    ExclusionRow.objects.filter(pk=old.pk).update(at=F("at") - timedelta(hours=2))
    assert hostcare.workerlock("render-01", lock=False) == ["render-01"]
    assert list(ExclusionRow.objects.values_list("pk", flat=True)) == [old.pk]
    job = submit()
    assert given(worker) == [job]


def test_a_job_that_is_retried_forgets_which_hosts_failed_it() -> None:
    job = submit(**MANY, flags="auto_wrangling")
    worker = Obedient(slots=1)
    fail(worker, 5)
    verbs.kill(job)
    verbs.retry(job)
    assert not ExclusionRow.objects.exists()
    assert not TrackRow.objects.exists()


def test_settings_are_off_unless_the_site_says_so(settings: Settings) -> None:
    assert settings.FARM_AUTO_WRANGLING is False
