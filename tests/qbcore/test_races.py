"""Several processes do it at once, on PostgreSQL: nothing is done twice, nothing is lost, every tally is exact."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db.models import Count

from qbcore import folding, submission, verbs
from qbcore.models import (
    AttemptRow,
    DeltaRow,
    FiringRow,
    GrantRow,
    HistoryRow,
    HostRow,
    JobRow,
    SubjobRow,
    WaitRow,
    WorkRow,
)
from qbcore.states import DONE, LIVE, Status
from tests.racers import Racer, at_once
from tests.runner import LANES

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
EIGHT = {
    "prototype": "cmdrange",
    "cpus": 8,
    "package": {"cmdline": "true", "range": "1-8"},
    "reservations": "host.lane0=1",
}
ROUNDS = 200


def settled(job: int) -> JobRow:
    """The job after everybody has gone home; its tallies are what its rows say."""
    folding.sweep()
    row = JobRow.objects.get(pk=job)
    assert not DeltaRow.objects.filter(job_id=job).exists()
    for rows, prefix in ((WorkRow, "n"), (SubjobRow, "s")):
        counted = dict(rows.objects.filter(job_id=job).values_list("status").annotate(n=Count("updated")).order_by())
        assert {status: getattr(row, f"{prefix}_{status.word}") for status in Status} == {
            status: counted.get(status, 0) for status in Status
        }
    return row


def assert_sound(job: JobRow) -> None:
    """The invariants of a job that is at rest."""
    live_work = sum(getattr(job, f"n_{status.word}") for status in LIVE)
    assert job.status not in DONE or not live_work
    assert not GrantRow.objects.filter(job_id=job.pk, ended__isnull=True).exists()
    assert not AttemptRow.objects.filter(job_id=job.pk, ended__isnull=True).exists()


def test_eight_processes_finish_the_last_eight_frames_at_once(eight: list[Racer]) -> None:
    heard = [{"triggers": on, "code": "unblock-self"} for on in ("complete-job-self", "complete-work-self-*")]
    for _ in range(ROUNDS // LANES):
        lanes = [f"host.lane{lane}=1" for lane in range(LANES)]
        jobs = [submission.submit({**EIGHT, "reservations": lane, "callbacks": heard})["id"] for lane in lanes]
        assert taken(eight) == [LANES] * 8
        at_once(eight, "finish", jobs)
        for job in jobs:
            row = settled(job)
            assert (row.status, row.n_complete, row.s_complete) == (Status.COMPLETE, 8, 8)
            assert HistoryRow.objects.filter(job_id=job, verb="complete").count() == 1
            assert AttemptRow.objects.filter(job_id=job, ending="complete").count() == 8
            assert_sound(row)
            events = Counter(FiringRow.objects.filter(job_id=job).values_list("event", flat=True))
            frames = [f"complete-work-{job}-{frame}" for frame in range(1, 9)]
            assert events == Counter([f"complete-job-{job}", *frames])


def taken(found: list[Racer]) -> list[int]:
    """Lets all of them take work; answers how many frames each holds."""
    for racer in found:
        racer.send("take")
    return [racer.answer() for racer in found]


def test_eight_claimers_on_one_hot_job_render_each_frame_once(eight: list[Racer]) -> None:
    job = submission.submit({**EIGHT, "package": {"cmdline": "true", "range": "1-3000"}})["id"]
    done = Counter(name for names in at_once(eight, "drain") for name in names)
    assert done == Counter(str(frame) for frame in range(1, 3001))
    row = settled(job)
    assert (row.status, row.n_complete) == (Status.COMPLETE, 3000)
    assert AttemptRow.objects.filter(job_id=job, ending="complete").count() == 3000
    assert_sound(row)


def test_a_kill_that_meets_reports_leaves_every_frame_in_one_final_state(eight: list[Racer]) -> None:
    for _ in range(10):
        job = submission.submit(EIGHT)["id"]
        assert taken(eight) == [1] * 8
        at_once(eight, "finish_or_kill", job)
        at_once(eight, "leave")
        row = settled(job)
        assert row.status == Status.KILLED or row.n_complete == 8
        assert row.n_complete + row.n_killed == 8
        assert HistoryRow.objects.filter(job_id=job, verb="kill").count() <= 1
        assert_sound(row)


def test_a_frame_that_many_retry_at_once_is_retried_once(eight: list[Racer]) -> None:
    job = submission.submit(EIGHT)["id"]
    verbs.killwork(f"{job}:*")
    folding.sweep()
    answers = at_once(eight, "retry", f"{job}:3")
    assert sorted(answers) == [[]] * 7 + [[f"{job}:3"]]
    assert HistoryRow.objects.filter(job_id=job, verb="retrywork").count() == 1
    assert settled(job).n_pending == 1


def test_a_silent_host_is_given_up_once_by_many_housekeepers(eight: list[Racer]) -> None:
    job = submission.submit(EIGHT)["id"]
    eight[0].send("take")
    assert eight[0].answer() == 1
    HostRow.objects.update(seen="2026-01-01T00:00:00Z")
    at_once(eight, "reap")
    assert AttemptRow.objects.filter(job_id=job, ending="lost").count() == 1
    assert HistoryRow.objects.filter(verb="down").count() == 1
    row = settled(job)
    assert (row.status, row.n_pending, row.s_pending) == (Status.PENDING, 8, 8)


def test_one_subjob_that_many_hosts_want_starts_on_one(eight: list[Racer]) -> None:
    at_once(eight, "race")  # all have joined
    for _ in range(10):
        job = submission.submit({**EIGHT, "cpus": 1})["id"]
        assert sorted(at_once(eight, "race")) == [0] * 7 + [1]
        assert GrantRow.objects.filter(job_id=job).count() == 1
        verbs.kill(job)
        at_once(eight, "leave")
        assert_sound(settled(job))


def test_a_retry_that_meets_the_end_of_the_last_subjob_is_rendered(eight: list[Racer]) -> None:
    for _ in range(10):
        job = submission.submit({**EIGHT, "cpus": 1, "package": {"cmdline": "true", "range": "1-2"}})["id"]
        verbs.killwork(f"{job}:1")
        assert sum(taken(eight)) == 1
        at_once(eight, "finish_or_retry", job, f"{job}:1")
        at_once(eight, "drain")
        row = settled(job)
        assert (row.status, row.n_complete, row.n_killed) == (Status.COMPLETE, 2, 0)
        assert_sound(row)


def test_of_many_kills_at_once_each_subjob_is_killed_by_one(eight: list[Racer]) -> None:
    job = submission.submit(EIGHT)["id"]
    assert taken(eight) == [1] * 8
    answers = at_once(eight, "kill", job)
    assert sorted(one for answer in answers for one in answer) == [f"{job}.{subjob}" for subjob in range(8)]
    assert HistoryRow.objects.filter(job_id=job, verb="kill").count() == 1
    at_once(eight, "leave")
    row = settled(job)
    assert (row.status, row.n_killed) == (Status.KILLED, 8)
    assert_sound(row)


def test_of_two_ends_that_a_condition_joins_the_second_fires_it_once(eight: list[Racer]) -> None:
    for _ in range(10):
        jobs = [submission.submit({**EIGHT, "reservations": f"host.lane{lane}=1"})["id"] for lane in range(LANES)]
        joined = " && ".join(f"complete-job-{job}" for job in jobs)
        heard = [{"triggers": joined, "code": "kill-self"}]
        own = submission.submit({**EIGHT, "status": "blocked", "callbacks": heard})
        assert taken(eight) == [LANES] * 8
        at_once(eight, "finish", jobs)
        for job in jobs:
            assert settled(job).status == Status.COMPLETE
        assert FiringRow.objects.filter(job_id=own["id"]).count() == 1
        at_once(eight, "carry")
        assert FiringRow.objects.get(job_id=own["id"]).state == "done"
        assert HistoryRow.objects.filter(job_id=own["id"], verb="kill").count() == 1
        assert settled(own["id"]).status == Status.KILLED


def test_items_that_wait_for_frames_finished_at_once_are_let_go_once(eight: list[Racer]) -> None:
    for _ in range(10):
        parent = submission.submit(EIGHT)["id"]
        child = submission.submit({**EIGHT, "hosts": "nowhere", "dependency": f"complete-work-{parent}"})["id"]
        assert taken(eight) == [1] * 8
        at_once(eight, "finish", [parent])
        assert settled(parent).status == Status.COMPLETE
        row = settled(child)
        assert (row.n_pending, row.n_blocked, row.reason) == (8, 0, "")
        assert not WaitRow.objects.exists()


def test_items_tied_while_their_frames_finish_are_let_go(eight: list[Racer]) -> None:
    for _ in range(10):
        parent = submission.submit(EIGHT)["id"]
        assert taken(eight) == [1] * 8
        answers = at_once(eight, "finish_or_tie", parent)
        children = [one for one in answers if one]
        assert len(children) == 1
        assert settled(parent).status == Status.COMPLETE
        assert settled(children[0]).n_pending == 8
        verbs.kill(children[0])
