"""The core from submit to complete, with a worker's requests made by hand."""

from __future__ import annotations

import pytest

from qbcore import acting, logs, permissions, queries, submission, verbs
from qbcore.models import AttemptRow, DeltaRow, GrantRow, JobRow
from tests.hand import Hand, drive

pytestmark = pytest.mark.django_db(transaction=True)


ECHO = {
    "name": "echo",
    "prototype": "cmdrange",
    "cpus": 2,
    "package": {"cmdline": "echo QB_FRAME_NUMBER", "range": "1-6"},
}


def test_a_job_renders_every_frame_once() -> None:
    [job] = submission.submit(ECHO)
    assert drive(Hand()) == ["1", "2", "3", "4", "5", "6"]
    row = JobRow.objects.get(pk=job["id"])
    assert (row.status, row.n_complete, row.n_pending, row.s_complete) == (16, 6, 0, 2)
    assert not DeltaRow.objects.exists()
    assert AttemptRow.objects.filter(ending="complete").count() == 6
    assert not GrantRow.objects.filter(ended__isnull=True).exists()


def test_failed_frames_are_retried_alone() -> None:
    [job] = submission.submit(ECHO)
    hand = Hand()
    drive(hand, exits=lambda frame: int(frame["name"] in "25"))
    [found] = queries.jobinfo(id=job["id"])
    assert found["status"] == "failed"
    assert found["todotally"]["failed"] == 2
    assert verbs.retrywork(f"{job['id']}:2", f"{job['id']}:5") == [f"{job['id']}:2", f"{job['id']}:5"]
    assert queries.jobinfo(id=job["id"])[0]["status"] == "pending"
    assert drive(hand) == ["2", "5"]
    assert queries.jobinfo(id=job["id"])[0]["status"] == "complete"


def test_a_job_without_agenda_is_its_own_unit() -> None:
    [job] = submission.submit({"prototype": "cmdline", "package": {"cmdline": "true"}})
    drive(Hand())
    [found] = queries.jobinfo(id=job["id"], subjobs=True)
    assert found["status"] == "complete"
    assert found["subjobs"][0]["status"] == "complete"


def test_kill_ends_what_runs_and_frees_the_host_when_the_worker_says_so() -> None:
    [job] = submission.submit(ECHO)
    hand = Hand()
    hand.sync(room=True)
    assert verbs.kill(job["id"]) == [f"{job['id']}.0", f"{job['id']}.1"]
    assert queries.jobinfo(id=job["id"])[0]["status"] == "killed"
    answer = hand.sync()
    assert set(answer["orders"].values()) == {"end"}
    gone = list(hand.held)
    hand.held = {}
    hand.sync(gone=gone)
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
    assert AttemptRow.objects.filter(ending="killed").count() == 2


def test_a_dependency_lets_go_when_its_parent_is_complete() -> None:
    first, second = submission.submit({**ECHO, "label": "a"}, {**ECHO, "dependency": "link-complete-job-a"})
    assert second["status"] == "blocked"
    drive(Hand())
    assert [job["status"] for job in queries.jobinfo(id=[first["id"], second["id"]])] == ["complete", "complete"]


def test_an_artist_may_not_kill_anothers_job() -> None:
    with acting.acting_as(acting.Actor("mira", "artist")):
        [job] = submission.submit(ECHO)
    with acting.acting_as(acting.Actor("jonas", "artist")), pytest.raises(permissions.Refused, match="kill"):
        verbs.kill(job["id"])
    assert queries.jobinfo(id=job["id"])[0]["status"] == "pending"


def test_logs_are_idempotent_and_read_per_subjob() -> None:
    [job] = submission.submit(ECHO)
    hand = Hand()
    answer = hand.sync(room=True)
    grant = answer["starts"][0]["grant"]
    assert logs.append(hand.id, grant, "out", 0, b"frame 1\n") == 8
    assert logs.append(hand.id, grant, "out", 0, b"frame 1\n") == 8
    [row] = logs.stdout(f"{job['id']}.0")
    assert row["data"] == "frame 1\n"
