"""What breaks on a farm every week, on the production stack: nothing is lost, nothing is done twice for no reason."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client

from qbcore.errors import Unreachable
from tests.e2e.farms import fetch
from tests.e2e.processes import ProductionFarm
from tests.e2e.programs import Program, gone, told, until
from tests.servers import Postgres, Redis

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
LEASE = 3.0  # seconds


@pytest.fixture(scope="module")
def farm(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres, redis_server: Redis
) -> Iterator[ProductionFarm]:
    """Two web processes and two workers of two slots, with a short lease. Tests mend what they break."""
    made = ProductionFarm(
        tmp_path_factory.mktemp("production"), postgres_server, redis_server, slots=2,
        FARM_LEASE=str(LEASE), FARM_SLICE="25",
    )  # fmt: skip
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(autouse=True)
def all_is_well(farm: ProductionFarm) -> None:
    farm.until(lambda: farm.ready(0) and farm.ready(1), "all parts are well again")
    farm.until(lambda: silence(farm) < LEASE / 2, "all workers were heard of lately")


def render(farm: ProductionFarm, cmdline: str, frames: str, **more: object) -> int:
    job = {"prototype": "cmdrange", "package": {"range": frames, "cmdline": cmdline}, **more}
    return int(farm.api().submit(job)[0]["id"])


def finished(farm: ProductionFarm, job: int, seconds: float = 60) -> str:
    """The status of the job once it is over."""
    return str(farm.until(lambda: farm.api().over(job), f"job {job} is over", seconds)["status"])


def attempts(farm: ProductionFarm, job: int) -> list[tuple[str, str]]:
    """Hosts and endings in the order of the record."""
    return list(farm.rows(f"SELECT host_name, ending FROM attempt WHERE job_id = {job} ORDER BY id"))


def worker_of(farm: ProductionFarm, job: int) -> Program:
    """The worker that renders the job's only frame."""
    host = farm.until(lambda: attempts(farm, job), "a frame runs")[0][0]
    return next(one for one in farm.workers if one.name == host)


def test_a_frame_of_a_killed_worker_is_rendered_again_and_both_attempts_stand_in_the_record(
    farm: ProductionFarm, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    job = render(farm, f"echo $$ >> {marks}; test $(wc -l < {marks}) -ge 2 || exec sleep 600", "7")
    farm.until(marks.exists, "the frame runs")
    killed = worker_of(farm, job)
    killed.kill()
    assert finished(farm, job) == "complete"
    endings = attempts(farm, job)
    assert [ending for _, ending in endings] == ["lost", "complete"]
    assert endings[0][0] == killed.name != endings[1][0], "another host took over"
    assert farm.hosts()[killed.name] == "down"
    left_behind = int(marks.read_text().split()[0])
    assert not gone(left_behind), "nobody was there to end it"
    killed.start()
    farm.until(lambda: gone(left_behind), "the worker that comes back ends what the killed one left")


@pytest.mark.parametrize("away", ["all of it", "what hosts speak to"])
def test_a_frame_that_renders_through_an_outage_of_the_supervisor_is_not_rendered_twice(
    farm: ProductionFarm, tmp_path: Path, away: str
) -> None:
    """For three leases; the frame ends while nobody can be told. While there is no web process others keep house."""
    marks, go = tmp_path / "marks", tmp_path / "go"
    job = render(farm, f"echo QB_FRAME_NUMBER >> {marks}; until test -e {go}; do sleep 0.1; done; echo done", "1-2")
    farm.until(lambda: marks.exists() and len(marks.read_text().split()) >= 1, "a frame runs")
    stopped = [*farm.webs, farm.housekeeping, farm.celery] if away == "all of it" else farm.webs
    for one in stopped:
        one.kill()
    workers = [one.pid for one in farm.workers]
    began = reaped(farm)
    farm.until(lambda: unheard(farm) > 3 * LEASE, "hosts could speak to nobody for three leases")
    go.touch()
    until(lambda: not processes_with(str(go)), "the frame has ended", programs=farm.workers)
    assert (reaped(farm) > began) == (stopped == farm.webs), "housekeeping had its chance to give the hosts up"
    for one in stopped:
        one.start()
    farm.until(farm.ready, "the supervisor is back")
    assert finished(farm, job) == "complete"
    assert sorted(marks.read_text().split()) == ["1", "2"]
    assert {ending for _, ending in attempts(farm, job)} == {"complete"}
    assert [one.pid for one in farm.workers if one.alive] == workers


def reaped(farm: ProductionFarm) -> Any:
    """When somebody last looked for silent hosts."""
    return farm.rows("SELECT ticked FROM duty WHERE name = 'reap'")[0][0]


def unheard(farm: ProductionFarm) -> float:
    """Seconds since a process served that hosts can speak to."""
    return float(farm.rows("SELECT extract(epoch FROM now() - ticked) FROM duty WHERE name = 'serving'")[0][0])


def silence(farm: ProductionFarm) -> float:
    """Seconds since each of the hosts was heard of."""
    return float(farm.rows("SELECT extract(epoch FROM now() - min(seen)) FROM host")[0][0])


def processes_with(text: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in command and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def test_a_second_live_worker_with_the_same_token_is_refused(farm: ProductionFarm, tmp_path: Path) -> None:
    first = farm.workers[0]
    copy = farm.worker(first.name, state=f"{first.name}-copy")
    state = farm.folder / first.name
    there = farm.folder / f"{first.name}-copy"
    there.mkdir(mode=0o700)
    (there / "host.json").write_bytes((state / "host.json").read_bytes())
    copy.start()
    assert copy.wait() == 1, told([copy])
    assert "another live worker speaks for" in copy.output()
    assert first.alive and farm.hosts()[first.name] == "active"
    job = render(farm, "echo well", "1-8", hosts=first.name)
    assert finished(farm, job) == "complete"


def test_a_second_worker_on_the_same_state_folder_is_refused(farm: ProductionFarm) -> None:
    first = farm.workers[0]
    second = farm.worker(first.name)
    second.start()
    assert second.wait() == 1
    assert f"another worker is using {farm.folder / first.name}" in second.output()
    assert first.alive


def test_a_bulk_run_goes_on_through_a_flushed_redis_and_does_each_item_once(
    farm: ProductionFarm, redis_server: Redis
) -> None:
    """The message of the run is lost while it waits for Celery; its row is not."""
    job = render(farm, "true", "1-600", status="blocked")
    os.kill(farm.celery.pid, signal.SIGSTOP)
    run = int(
        farm.django(
            "from qbcore import acting, runs\n"
            "with acting.acting_as(acting.Actor('admin', 'admin')):\n"
            f"    print(runs.start('blockwork', runs.Selection(jobs=({job},)), why='test'))"
        )
    )
    flush(redis_server)
    os.kill(farm.celery.pid, signal.SIGCONT)
    farm.until(lambda: state_of(farm, run)[0] in ("running", "done"), "the run was taken up", 60)
    flush(redis_server)
    farm.until(lambda: state_of(farm, run)[0] == "done", "the run is done", 60)
    assert state_of(farm, run) == ("done", 600, 600, 600, 0, 0)
    assert Counter(farm.api().frames(job).values()) == {"blocked": 600}
    told_of = [row for row in farm.api().hist(job) if "blockwork" in row["comment"]]
    assert len(told_of) == 1 and "600 frames" in told_of[0]["comment"]
    farm.api().remove(job)


def flush(server: Redis) -> None:
    with redis_client.Redis.from_url(server.url()) as client:
        client.flushall()


def state_of(farm: ProductionFarm, run: int) -> tuple[object, ...]:
    columns = "state, total, done, changed, unchanged, errors"
    return tuple(farm.rows(f"SELECT {columns} FROM run WHERE id = {run}")[0])


def test_workers_go_on_when_postgresql_is_started_again_under_load(
    farm: ProductionFarm, postgres_server: Postgres, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    job = render(farm, f"echo x >> {marks}/QB_FRAME_NUMBER; sleep 0.05", "1-200", cpus=4)
    farm.until(lambda: len(list(marks.iterdir())) > 20, "frames are rendered")
    workers = [one.pid for one in farm.workers]
    postgres_server.stop()
    postgres_server.start()
    over = farm.until(lambda: over_or_away(farm, job), f"job {job} is over", 60)
    assert over["status"] == "complete"
    assert {path.name: path.read_text() for path in marks.iterdir()} == {str(number): "x\n" for number in range(1, 201)}
    assert [one.pid for one in farm.workers if one.alive] == workers
    assert all(one.alive for one in farm.programs[:4])


def over_or_away(farm: ProductionFarm, job: int) -> Any:
    """As `over`; a call may be refused because the database is away, and for nothing else."""
    try:
        return farm.api().over(job)
    except Unreachable as away:
        assert "cannot reach its database" in str(away)
        return None


def test_scripts_do_not_notice_that_postgresql_was_started_again(
    farm: ProductionFarm, postgres_server: Postgres
) -> None:
    """Each web process has connections in its pool that are dead now: none of them is given out."""
    with ThreadPoolExecutor(12) as people:
        list(people.map(lambda number: fetch(f"{farm.urls[number % 2]}readyz"), range(24)))
        postgres_server.stop(signal.SIGQUIT)
        postgres_server.start()
        answers = list(people.map(lambda number: fetch(f"{farm.urls[number % 2]}healthz")[0], range(24)))
    assert Counter(answers) == {200: 24}
    job = render(farm, "echo well", "1-4")
    assert finished(farm, job) == "complete"
    assert all(one.alive for one in farm.programs[:4])


def test_hints_and_bulk_runs_go_on_when_redis_is_started_again(farm: ProductionFarm, redis_server: Redis) -> None:
    redis_server.kill()
    job = render(farm, "true", "1-40", status="blocked")
    redis_server.start()
    farm.until(lambda: len(listening(redis_server)) >= len(farm.urls), "both web processes listen for hints again")
    run = int(
        farm.django(
            "from qbcore import acting, runs\n"
            "with acting.acting_as(acting.Actor('admin', 'admin')):\n"
            f"    print(runs.start('unblockwork', runs.Selection(jobs=({job},)), why='test'))"
        )
    )
    farm.until(lambda: state_of(farm, run)[0] == "done", "the run is done", 60)
    farm.api().unblock(job)
    assert finished(farm, job) == "complete"


def test_what_carries_bulk_runs_outlives_redis_with_messages_in_its_hands(
    farm: ProductionFarm, redis_server: Redis
) -> None:
    job = render(farm, "true", "1-200", status="blocked")
    carrier = farm.celery.pid
    started = farm.django(
        "from qbcore import acting, runs\n"
        "with acting.acting_as(acting.Actor('admin', 'admin')):\n"
        f"    print(*[runs.start('blockwork', runs.Selection(jobs=({job},)), why='test') for _ in range(6)])"
    )
    farm.until(lambda: state_of(farm, int(started.split()[0]))[2], "the first run is being carried out")
    redis_server.kill()
    redis_server.start()
    for run in started.split():
        farm.until(lambda run=run: state_of(farm, int(run))[0] == "done", f"run {run} is done", 60)  # type: ignore[misc]
    assert farm.celery.alive and farm.celery.pid == carrier
    farm.api().remove(job)


def listening(server: Redis) -> list[Any]:
    """The subscriptions of the farm's processes to each other's hints."""
    with redis_client.Redis.from_url(server.url()) as client:
        return [one for one in client.client_list() if int(one["sub"]) > 0]
