"""`import qb` in one thread, the farm's real doors behind real HTTP in another."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qb
from qbcore import permissions
from qbcore.qb import EXPOSED
from qbcore.remote import client, write_credentials
from qbcore.remote.transport import SERVED, set_transport
from qbcore.states import Status
from tests.make import make_attempt, make_host, make_job

JOB = {"name": "count", "prototype": "cmdrange", "package": {"range": "1-3", "cmdline": "echo QB_FRAME_NUMBER"}}


def test_the_farm_serves_what_the_module_asks_for_and_nothing_else() -> None:
    assert EXPOSED.keys() == SERVED.keys()


@pytest.mark.parametrize("name", sorted(SERVED))
def test_a_door_takes_every_argument_that_the_function_can_pass(name: str) -> None:
    ours, door = inspect.signature(getattr(qb, name)), inspect.signature(EXPOSED[name])
    named = {one.name: one.default for one in ours.parameters.values() if one.kind is not one.VAR_POSITIONAL}
    door.bind(*[1] * 3) if "jobid" in named or "workid" in named else door.bind_partial()
    if name.endswith("info") or name in ("stdout", "stderr", "log"):
        keywords = {key: value for key, value in named.items() if value is not inspect.Parameter.empty}
        door.bind_partial(**keywords)


@pytest.fixture
def site(live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A farm's API at its URL; `qb` asks it over HTTP as bob the artist."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("QB_TOKEN", raising=False)
    before = set_transport()
    bob = permissions.ensure_user("bob", role="artist")
    write_credentials(live_server.url, permissions.new_token(bob, label="script"))
    yield live_server.url
    client.close()
    set_transport(before)


pytestmark = pytest.mark.urls("tests.farm.api_urls")


def test_a_job_is_submitted_read_changed_and_removed(site: str) -> None:
    result = qb.submit(JOB)
    job = qb.jobinfo(id=result["id"], agenda=True, subjobs=True)[0]
    assert (job["name"], job["user"], [work["name"] for work in job["agenda"]]) == ("count", "bob", ["1", "2", "3"])
    assert qb.modify({"priority": 100}, job) == [job["id"]]
    assert qb.blockwork(f"{job['id']}:2-3") == [f"{job['id']}:2", f"{job['id']}:3"]
    assert qb.kill(job["id"]) == [f"{job['id']}.0"]
    assert "kill" in " ".join(row["comment"] for row in qb.hist(job["id"]))
    assert qb.remove(job["id"]) == [job["id"]]
    assert qb.jobinfo(id=job["id"]) == []


def test_one_key_submits_once(site: str) -> None:
    token = client.token_for(client.parse_address(site))[0]
    body = client.dumps({"args": [JOB], "kwargs": {}})
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "one"}
    address = client.parse_address(site)
    first, second = (client._ask(address, "submit", body, headers, timeout=10) for _ in range(2))
    assert [job["id"] for job in first] == [job["id"] for job in second]
    assert len(qb.jobinfo()) == 1


def test_an_artist_may_not_kill_the_job_of_another(site: str) -> None:
    job = make_job(user="alice")
    with pytest.raises(qb.Refused) as refused:
        qb.kill(job.pk)
    assert (refused.value.right, refused.value.holders) != ("", "")
    assert qb.jobinfo(id=job.pk)[0]["status"] == "pending"


@pytest.mark.parametrize(
    ("change", "field"),
    [({"prototype": ""}, "prototype"), ({"package": {"range": "1-", "cmdline": "true"}}, "range")],
)
def test_a_wrong_job_is_refused_with_its_field_and_nothing_is_stored(
    site: str, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(qb.Invalid) as invalid:
        qb.submit([JOB, {**JOB, **change}])
    assert field in str(invalid.value)
    assert qb.jobinfo() == []


def test_the_token_of_an_attempt_reads_its_own_job_until_the_attempt_ends(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = make_job(frames={Status.RUNNING: 1}), make_job()
    attempt = make_attempt(mine, 0, host=make_host())
    monkeypatch.setenv("QB_TOKEN", permissions.attempt_token(attempt.pk, mine.pk))
    assert [job["id"] for job in qb.jobinfo()] == [mine.pk]
    assert qb.jobinfo(id=other.pk) == qb.stdout(other.pk) == qb.hist(other.pk) == []
    for forbidden in (lambda: qb.submit(JOB), lambda: qb.kill(mine.pk), lambda: qb.modify({"priority": 1}, mine.pk)):
        with pytest.raises(qb.Refused, match=f"reads job {mine.pk} and nothing else.*name that file as QB_CREDENTIALS"):
            forbidden()
    type(attempt).objects.filter(pk=attempt.pk).update(ended=attempt.started)
    with pytest.raises(qb.Unauthorized, match="with the token from QB_TOKEN"):
        qb.jobinfo()


def test_ids_that_the_farm_does_not_know_are_absent(site: str) -> None:
    assert qb.kill(4711) == qb.killwork("4711:1") == qb.remove(4711) == qb.stdout(4711) == qb.hist(4711) == []


def test_the_supervisor_answers_ping_info_and_version(site: str) -> None:
    assert qb.ping() is True
    answer = qb.ping(asDict=True)
    assert isinstance(answer, dict)
    assert (answer["alive"], answer["url"]) == (True, site.rstrip("/"))
    assert qb.info()["version"] == qb.version()["supervisor"] == answer["version"]


def test_hosts_come_with_their_resources_and_without_their_secrets(site: str) -> None:
    make_host("worker01")
    (host,) = qb.hostinfo(name="worker*", subjobs=True)
    assert (host.name, host.subjobs) == ("worker01", [])
    assert set(host.resources.split(",")) == {"host.processors=0/8", "host.memory=0/32000"}
    assert "digest of" not in str(qb.workerinfo())
