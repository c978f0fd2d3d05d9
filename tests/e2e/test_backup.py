"""A backup of a farm that works, put back elsewhere: what was done until then is there, and work goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qbcore.restoring import FURTHER
from tests.e2e.farms import Farm
from tests.e2e.processes import EmbeddedFarm, ProductionFarm
from tests.e2e.programs import ROOT
from tests.servers import Postgres, Redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
Farms = EmbeddedFarm | ProductionFarm
LONG = "for i in 1 2 3 4 5 6 7 8 9; do echo frame QB_FRAME_NUMBER line $i; done; sleep 0.3"


def run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def files(source: Path, target: Path) -> None:
    """What rsync -a does: the files as they are right now, of a farm that goes on."""
    target.mkdir(parents=True, exist_ok=True)
    run(
        "sh",
        "-c",
        f"tar -C '{source}' --exclude='*.sqlite3*' --warning=no-file-changed -cf - . | tar -C '{target}' -xf -",
    )


def render(farm: Farm, frames: str) -> int:
    job = {"prototype": "cmdrange", "cpus": 2, "package": {"range": frames, "cmdline": LONG}}
    return int(farm.api().submit(job)[0]["id"])


def finished(farm: Farm, job: int) -> str:
    return str(farm.until(lambda: farm.api().over(job), f"job {job} is over", 90)["status"])


def log_of(farm: Farm, job: int) -> list[str]:
    return sorted(line for row in farm.api().stdout(job) for line in row["data"].splitlines())


def expected(first: int, last: int) -> list[str]:
    return sorted(f"frame {frame} line {line}" for frame in range(first, last + 1) for line in range(1, 10))


def check(there: Farm, done: int, going: int, before: list[str]) -> None:
    """The first job is as it was, the second is rendered to its end, a new one gets a new number."""
    assert there.api().jobinfo(id=done)[0]["status"] == "complete"
    assert log_of(there, done) == before == expected(1, 6)
    assert finished(there, going) == "complete"
    told = log_of(there, going)
    assert set(told) == set(expected(1, 16)), "each frame has a whole log"
    new = render(there, "1-2")
    assert new > FURTHER
    assert finished(there, new) == "complete"
    assert log_of(there, new) == expected(1, 2)


def put_back(here: Farms, there: Farms, carry: Callable[[], None]) -> None:
    """A farm that has done a job and works on another is copied by *carry* and stopped; the copy goes on elsewhere."""
    try:
        here.start()
        done = render(here, "1-6")
        assert finished(here, done) == "complete"
        going = render(here, "1-16")
        here.until(lambda: here.api().jobinfo(id=going)[0]["todotally"]["complete"] > 2, "some frames are done")
        before = log_of(here, done)
        carry()
        run(sys.executable, "manage.py", "restored", env=there.env)
        there.start()
        check(there, done, going, before)
    finally:
        here.stop()
        there.stop()


def test_a_backup_of_the_production_farm_is_put_back(
    tmp_path: Path, postgres_server: Postgres, redis_server: Redis
) -> None:
    here, there = (
        ProductionFarm(tmp_path / name, postgres_server, redis_server, webs=1, workers=1, slots=2, FARM_LEASE="4")
        for name in ("here", "there")
    )

    def carry() -> None:
        dump = tmp_path / "farm.dump"
        run("pg_dump", "--format=custom", f"--file={dump}", here.database)
        files(here.data, there.data)
        here.stop()
        run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={there.database}", str(dump))

    put_back(here, there, carry)


def test_a_backup_of_the_embedded_farm_is_put_back(tmp_path: Path) -> None:
    here, there = EmbeddedFarm(tmp_path / "here"), EmbeddedFarm(tmp_path / "there")

    def carry() -> None:
        there.data.mkdir(parents=True, exist_ok=True)
        copy = "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))"
        run(sys.executable, "-c", copy, str(here.data / "farm.sqlite3"), str(there.data / "farm.sqlite3"))
        files(here.data, there.data)
        here.stop()

    put_back(here, there, carry)
