"""Every example of the API's reference, as it is printed there, against whole farms."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.farms import Farm
from tests.e2e.processes import EmbeddedFarm, ProductionFarm
from tests.e2e.programs import ROOT, Program
from tests.e2e.reference.checks import CHECKS
from tests.e2e.reference.pages import CUT_OFF, NAMES, pages, runnable
from tests.e2e.reference.stage import BUSY, WALK

LEASE = "300"  # seconds: nobody beats for the hosts without a worker
NEIGHBOUR = {**WALK, "name": "neighbour"}
ELIGIBLE = {**WALK, "cpus": 1, "hosts": "worker01,myhost", "package": {"range": "7", "cmdline": "echo 7"}}


def test_every_page_of_the_reference_is_checked() -> None:
    assert tuple(pages()) == NAMES
    assert set(CHECKS) == set(NAMES) - CUT_OFF
    assert {page for page, example in pages().items() if not example} == CUT_OFF


def test_a_block_gets_the_indentation_that_the_page_lost() -> None:
    assert runnable("for a in b:\nprint(a)\nc = 1") == "for a in b:\n    print(a)\nc = 1"
    for example in pages().values():
        compile(runnable(example), "<reference>", "exec")


def joined(farm: Farm, name: str) -> str:
    """A join token for that host."""
    command = [sys.executable, "manage.py", "jointoken", "--host", name]
    run = subprocess.run(command, env=farm.env, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return run.stdout


def add_worker(farm: Farm, name: str) -> Program:
    """A real worker of two slots under that name."""
    file = farm.folder / f"{name}.join"
    file.touch(mode=0o600)
    file.write_text(joined(farm, name))
    made = farm.program(
        name, sys.executable, "-m", "qbcore.worker", "--name", name, "--join", str(file), "--slots", "2",
        "--supervisor", farm.urls[-1], "--state", str(farm.folder / name), "--allow-root",
    )  # fmt: skip
    made.start()
    return made


QUIET_HOSTS = """
from django.utils import timezone
from qbcore import hosts, permissions
from qbcore.models import HostRow
for number, name in enumerate(["worker01", "myhost", "worker02"], 1):
    host = hosts.join({"name": name, "token": permissions.new_join_token(), "protocol": 1})["host"]
    facts = {"os": "linux", "address": "127.0.0.1", "macaddress": f"02:00:00:00:00:{number:02}", "slots": 8,
             "memory": 64000, "jobtypes": ["cmdline", "cmdrange"]}
    hosts.hello(host, {"protocol": 1, "session": f"{number:032x}", "facts": facts, "held": {}})
HostRow.objects.filter(name="worker02").update(seen=timezone.now() - timezone.timedelta(days=1))
assert hosts.give_up_silent() == ["worker02"]
"""


def number_jobs_from(farm: Farm, first: int) -> None:
    """The next job gets this id."""
    if isinstance(farm, ProductionFarm):
        with psycopg.connect(farm.database) as server:
            server.execute("SELECT setval(pg_get_serial_sequence('job', 'id'), %s)", [first - 1])
        return
    with closing(sqlite3.connect(farm.data / "farm.sqlite3", timeout=20)) as file, file:
        file.execute("DELETE FROM sqlite_sequence WHERE name = 'job'")
        file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('job', ?)", [first - 1])


def make(kind: str, folder: Path, request: pytest.FixtureRequest) -> EmbeddedFarm | ProductionFarm:
    if kind == "embedded":
        return EmbeddedFarm(folder, FARM_LEASE=LEASE)
    servers = (request.getfixturevalue("postgres_server"), request.getfixturevalue("redis_server"))
    return ProductionFarm(folder, *servers, workers=1, slots=2, FARM_LEASE=LEASE)


def furnish(farm: Farm) -> None:
    """Hosts and jobs with the names and ids of the reference."""
    add_worker(farm, BUSY)
    farm.django(QUIET_HOSTS)
    for first, jobs in ((249, [NEIGHBOUR, WALK, NEIGHBOUR]), (277, [NEIGHBOUR]), (1234, [ELIGIBLE])):
        number_jobs_from(farm, first)
        (farm.folder / "stage").mkdir(exist_ok=True)
        made = farm.api().submit([{**job, "cwd": str(farm.folder / "stage")} for job in jobs])
        assert made["id"] == first
    farm.until(lambda: farm.hosts().get(BUSY) == "active", f"{BUSY} is active")


def answers_of(farm: Farm) -> dict[str, dict[str, Any]]:
    """What every example did on a farm, by its page."""
    env = {"QB_SUPERVISOR": farm.url, "PYTHONPATH": str(ROOT), **farm.env}
    if isinstance(farm, ProductionFarm):
        env["QB_TOKEN"] = farm.token
    command = [sys.executable, "-S", "-m", "tests.e2e.reference.script"]
    run = subprocess.run(
        command, env=env, cwd=farm.folder / "stage", capture_output=True, text=True, check=False, timeout=150
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return {row["page"]: row for row in map(json.loads, run.stdout.splitlines())}


@pytest.fixture(scope="module", params=["embedded", "production"])
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All examples once on the embedded farm, once on the production stack with PostgreSQL."""
    farm = make(request.param, tmp_path_factory.mktemp(request.param), request)
    try:
        farm.start()
        furnish(farm)
        return answers_of(farm)
    finally:
        farm.stop()


@pytest.mark.e2e
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", CHECKS)
def test_an_example_of_the_reference_does_what_its_page_says(answers: dict[str, dict[str, Any]], page: str) -> None:
    told = answers[page]
    assert told.get("error") is None, told["error"]
    assert told["answer"] == CHECKS[page].gives
