"""A disk that fills: first a warning, then a refusal that says what to do, and no byte of a log lost.

The disk is the real one; the thresholds stand above what is free of it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from farm import workers
from qbcore import diskspace, hosts, logs, permissions, submission
from qbcore.errors import from_wire
from qbcore.models import JobRow
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db
JOB = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def put(token: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """What a worker is answered that sends a piece of a log."""
    sent: list[dict[str, Any]] = []
    said = [{"type": "http.request", "body": body}]
    scope = {
        "type": "http", "method": "PUT", "path": f"/worker/v1/log/{path}", "query_string": b"offset=0",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return said.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(workers.http(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_disk_with_room_is_not_spoken_of(alice: Client, settings: Any) -> None:
    settings.FARM_DISK_WARN = settings.FARM_DISK_STOP = 0
    assert "disk-bar" not in alice.get("/jobs").content.decode()
    assert alice.get("/readyz").json()["parts"]["disk"] == "ok"
    assert diskspace.space().advice == ""
    assert 0 < diskspace.space().free <= diskspace.space().total


def test_operators_are_warned_of_a_disk_that_fills(alice: Client, carol: Client, settings: Any) -> None:
    settings.FARM_DISK_WARN, settings.FARM_DISK_STOP = 101, 0
    page = alice.get("/jobs").content.decode()
    assert "disk-bar" in page and "Soon new jobs will be refused." in page
    assert "disk-bar" not in carol.get("/jobs").content.decode()
    assert "disk" in alice.get("/readyz").json()["degraded"]
    submission.submit(JOB)


def test_a_nearly_full_disk_takes_no_jobs_and_says_what_to_do(settings: Any) -> None:
    make_host()
    settings.FARM_DISK_STOP = 101
    with pytest.raises(diskspace.DiskFull) as refusal:
        submission.submit(JOB)
    told = str(refusal.value)
    assert told.startswith("The farm takes no new jobs: its disk is nearly full, only ")
    assert str(settings.FARM_DATA) in told and "Remove jobs that are over" in told
    assert refusal.value.status == 507
    there = from_wire(**refusal.value.to_wire())
    assert (there.code, there.message) == ("disk_full", told)
    assert not JobRow.objects.exists()


def test_a_submission_that_was_taken_before_is_answered_again(settings: Any) -> None:
    first = submission.submit(JOB, _key="one")
    settings.FARM_DISK_STOP = 101
    assert submission.submit(JOB, _key="one")["id"] == first["id"]


def test_readiness_ends_when_jobs_are_refused_and_not_before(client: Client, settings: Any) -> None:
    settings.FARM_DISK_STOP = 101
    answer = client.get("/readyz")
    assert answer.status_code == 503 and "New jobs are refused." in answer.json()["parts"]["disk"]


def test_a_job_s_output_is_taken_while_jobs_are_refused(settings: Any) -> None:
    settings.FARM_DISK_STOP = 101
    host = make_host()
    one = make_attempt(make_job(), 0, host=host).grant_id
    assert logs.append(host.pk, one, "out", 0, b"frame 1\n") == 8


@pytest.fixture
def writer() -> tuple[int, str]:
    """A host that has joined, and its token."""
    joined = hosts.join({"name": "render-01", "token": permissions.new_join_token(), "protocol": 1})
    return joined["host"], joined["token"]


def grant_on(host: int) -> tuple[JobRow, int]:
    job = make_job()
    attempt = make_attempt(job, 0, host=hosts.HostRow.objects.get(pk=host))
    return job, attempt.grant_id


@pytest.mark.django_db(transaction=True)
def test_a_worker_keeps_what_the_disk_does_not_take(writer: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    host, token = writer
    job, one = grant_on(host)
    with monkeypatch.context() as patch:
        patch.setattr(diskspace, "space", lambda: diskspace.Space(logs.root(), 10**9, 0))
        status, answer = put(token, f"{one}/out", b"frame 1\n")
    assert (status, answer["error"]["code"]) == (507, "disk_full"), "5xx: keep it and send it again"
    assert put(token, f"{one}/out", b"frame 1\n") == (200, {"size": 8})
    assert logs.read(job.pk, 0, "out") == (b"frame 1\n", 8)


@pytest.mark.django_db(transaction=True)
def test_a_full_device_is_answered_as_a_full_disk(writer: tuple[int, str]) -> None:
    host, token = writer
    job, one = grant_on(host)
    file = logs.path(job.pk, 0, one, "out")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)  # another test had a job of this number
    file.symlink_to("/dev/full")  # every write to it ends with "no space left on device"
    status, answer = put(token, f"{one}/out", b"frame 1\n")
    assert (status, answer["error"]["code"]) == (507, "disk_full")
    file.unlink()


@pytest.mark.django_db(transaction=True)
def test_logs_wait_while_the_database_is_away(writer: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    host, token = writer
    _, one = grant_on(host)

    def away(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(hosts, "host_for_token", away)
        status, answer = put(token, f"{one}/out", b"frame 1\n")
    assert (status, answer["error"]["code"]) == (503, "database")
    assert put(token, f"{one}/out", b"frame 1\n") == (200, {"size": 8})


@pytest.mark.django_db(transaction=True)
def test_a_log_that_is_known_is_written_without_the_database(
    writer: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, token = writer
    _, one = grant_on(host)
    monkeypatch.setattr(workers, "TRUSTED", 1e9)
    assert put(token, f"{one}/out", b"frame 1\n") == (200, {"size": 8})

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the database was asked")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.utils.CursorWrapper.execute", refused)
        assert put(token, f"{one}/out", b"frame 1\nframe 2\n") == (200, {"size": 16})
