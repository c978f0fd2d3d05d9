"""Programs of custom types and flight checks on the production stack, also when a supervisor or a host goes away."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ProductionFarm
from tests.servers import Postgres, Redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LEASE = "15"  # seconds: longer than a web process takes to start on a busy machine
CONF = "[execute module]\nexecute_binding = Python\nexecute_library = execute.py\n"
PROGRAM = """
import os, pathlib, time, qb
folder = pathlib.Path(qb.jobobj()["package"]["folder"])
while (work := qb.requestwork())["status"] in ("running", "waiting"):
    if work["status"] == "waiting":
        time.sleep(0.1)
        continue
    with (folder / "began").open("a") as file:
        file.write(f"{work['name']} {os.getpid()}\\n")
    while not (folder / f"go{work['name']}").exists():
        time.sleep(0.05)
    work["status"], work["resultpackage"] = "complete", [work["name"], os.getpid()]
    qb.reportwork(work)
qb.reportjob(work["status"])
"""
PAINTER = """
import os, subprocess, qb
from PIL import Image
package = qb.jobobj()["package"]
while (work := qb.requestwork())["status"] == "running":
    paths = [f"{work['name']}.png", f"{package['folder']}/{work['name']}.exr"]
    Image.new("RGB", (640, 360), "teal").save(paths[0])
    if package["oiiotool"]:
        subprocess.run([package["oiiotool"], paths[0], "-d", "half", "-o", paths[1]], check=True)
    work["status"], work["resultpackage"] = "complete", {"outputPaths": ",".join(paths)}
    qb.reportwork(work)
qb.reportjob(work["status"])
"""


@pytest.fixture(scope="module")
def farm(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres, redis_server: Redis
) -> Iterator[ProductionFarm]:
    """One web process and two workers that know the type `patient`."""
    folder = tmp_path_factory.mktemp("programs")
    for name, program in (("patient", PROGRAM), ("painter", PAINTER)):
        (folder / "types" / name).mkdir(parents=True)
        (folder / "types" / name / "job.conf").write_text(CONF)
        (folder / "types" / name / "execute.py").write_text(program)
    made = ProductionFarm(folder, postgres_server, redis_server, webs=1, FARM_LEASE=LEASE)
    for one in made.workers:
        one.env["FARM_JOBTYPES"] = str(folder / "types")
        one.env["FARM_OUTPUT_ROOTS"] = str(folder.parent)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def began(folder: Path) -> list[tuple[str, int]]:
    """Which item was begun by which process, in order."""
    lines = (folder / "began").read_text().splitlines() if (folder / "began").exists() else []
    return [(name, int(pid)) for name, pid in (line.split() for line in lines)]


def submit(farm: ProductionFarm, folder: Path, **fields: Any) -> int:
    agenda = [{"name": str(number)} for number in range(1, 5)]
    job = {"prototype": "patient", "agenda": agenda, "package": {"folder": str(folder)}, **fields}
    return int(farm.api().submit(job)[0]["id"])


def test_a_program_outlives_a_restart_of_the_supervisor(farm: ProductionFarm, tmp_path: Path) -> None:
    job = submit(farm, tmp_path)
    farm.until(lambda: began(tmp_path), "the first item is begun")
    farm.webs[0].kill()
    for number in range(1, 5):
        (tmp_path / f"go{number}").touch()
    farm.webs[0].start()
    farm.until(lambda: farm.ready(0), "the site is back")
    over = farm.until(lambda: farm.api().over(job), "the job is over")
    assert over["status"] == "complete"
    assert Counter(name for name, _ in began(tmp_path)) == Counter("1234"), "nothing is done twice"
    assert len({pid for _, pid in began(tmp_path)}) == 1, "one process did all of it"


def test_the_item_of_a_killed_host_is_done_by_another(farm: ProductionFarm, tmp_path: Path) -> None:
    job = submit(farm, tmp_path)
    farm.until(lambda: began(tmp_path), "the first item is begun")
    [(host,)] = farm.rows(f"SELECT host_name FROM attempt WHERE job_id = {job} AND pos = 0")
    killed = next(one for one in farm.workers if one.name == host)
    killed.kill()
    for number in range(1, 5):
        (tmp_path / f"go{number}").touch() if number > 1 else None
    farm.until(lambda: len(began(tmp_path)) >= 2, "the other host has taken it up", 60)
    (tmp_path / "go1").touch()
    over = farm.until(lambda: farm.api().over(job), "the job is over", 60)
    assert over["status"] == "complete"
    rows = farm.rows(f"SELECT host_name, ending FROM attempt WHERE job_id = {job} AND pos = 0 ORDER BY started")
    assert [ending for _, ending in rows] == ["lost", "complete"]
    assert rows[0][0] != rows[1][0]
    killed.start()
    farm.until(lambda: farm.hosts()[host] == "active", "the host is back")


@pytest.mark.parametrize("prototype", ["cmdline", "patient"])
def test_flight_checks_run_around_it_and_a_failing_one_keeps_it_from_running(
    farm: ProductionFarm, tmp_path: Path, prototype: str
) -> None:
    package = {"cmdline": "echo work", "folder": str(tmp_path)}
    good = {"prototype": prototype, "package": package, "preflights": ["echo before"], "postflights": ["echo after"]}
    bad = {**good, "preflights": ["true", "echo no room; exit 3"]}
    jobs = [int(job["id"]) for job in farm.api().submit([good, bad])]
    ends = [farm.until(lambda number=number: farm.api().over(number), "the job is over")["status"] for number in jobs]
    assert ends == ["complete", "failed"]
    logs = [farm.api().stdout(number)[0]["data"] for number in jobs]
    assert logs == ["before\nwork\nafter\n" if prototype == "cmdline" else "before\nafter\n", "no room\n"]
    told = " ".join(row["comment"] for row in farm.api().hist(jobs[1]))
    assert "preflight 2 (echo no room; exit 3) ended with exit code 3" in told


def test_pictures_that_items_of_a_program_wrote_are_shown(farm: ProductionFarm, tmp_path: Path) -> None:
    tool = shutil.which("oiiotool") or ""
    package = {"folder": str(tmp_path), "oiiotool": tool}
    agenda = [{"name": str(number)} for number in range(1, 4)]
    job = {"prototype": "painter", "agenda": agenda, "package": package, "cwd": str(tmp_path)}
    number = int(farm.api().submit(job)[0]["id"])
    wanted = {(name - 1, 0, f"{name}.png", 640, 360) for name in range(1, 4)}
    if tool:  # without it the worker says so in its log: tests/qbcore/worker/test_picture.py
        wanted |= {(name - 1, 1, f"{tmp_path}/{name}.exr", 640, 360) for name in range(1, 4)}
    sql = f"SELECT pos, number, path, width, height FROM thumbnail WHERE job_id = {number}"
    farm.until(lambda: set(farm.rows(sql)) == wanted, "every picture is shown", 60)
    assert farm.api().job(number)["status"] == "complete"
