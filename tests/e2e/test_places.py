"""Limits, licences and orders to leave a host, with a real worker and real processes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.processes import EmbeddedFarm

pytestmark = pytest.mark.e2e


def job(cmdline: str, frames: str = "1-2", **more: Any) -> dict[str, Any]:
    return {"prototype": "cmdrange", "package": {"cmdline": cmdline, "range": frames}, **more}


def running(farm: EmbeddedFarm, number: int) -> bool:
    return "running" in farm.api().frames(number).values()


def test_a_subjob_that_runs_too_long_fails_and_its_frame_goes_back(calm: EmbeddedFarm) -> None:
    api = calm.api()
    number = api.submit(job("sleep 60", timelimit=1, retrysubjob=1))["id"]
    over = calm.until(lambda: api.over(number), "the job is over")
    assert (over["status"], over["reason"]) == ("failed", "no subjob left")
    tried = [row["comment"] for row in api.hist(number) if "attempt" in row["comment"]]
    assert len(tried) == 2, "once more, since the subjob might be tried again"
    assert all("frame 1" in line and "failed" in line for line in tried)


def test_a_frame_that_runs_too_long_fails_alone(calm: EmbeddedFarm) -> None:
    api = calm.api()
    number = api.submit(job("sh -c 'test QB_FRAME_NUMBER != 1 || sleep 60'", agenda_timelimit=1))["id"]
    calm.until(lambda: api.over(number), "the job is over")
    assert api.frames(number) == {"1": "failed", "2": "complete"}


def test_one_licence_serves_one_job_after_the_other(calm: EmbeddedFarm) -> None:
    api = calm.api()
    waits = api.submit(job("true", reservations="license.maya=1"))["id"]
    assert calm.until(lambda: api.job(waits)["reason"], "it says why") == "the farm has no license.maya"
    api.updateresources({"license.maya": 1})
    others = [api.submit(job("true", cpus=2, reservations="license.maya=1"))["id"] for _ in range(2)]
    for number in (waits, *others):
        assert calm.until(lambda number=number: api.over(number), "it is over")["status"] == "complete"
    calm.until(lambda: not api.getresources()["license.maya"]["used"], "the licence is back")


@pytest.mark.parametrize("verb", ["preempt", "interrupt", "migrate"])
def test_a_subjob_that_is_sent_away_comes_back_where_there_is_one_host(calm: EmbeddedFarm, verb: str) -> None:
    api = calm.api()
    number = api.submit(job("sleep 1"))["id"]
    calm.until(lambda: running(calm, number), "it runs")
    assert getattr(api, verb)(number) == [f"{number}.0"]
    assert calm.until(lambda: api.over(number), "the job is over")["status"] == "complete"
    endings = [row["comment"] for row in api.hist(number) if "attempt" in row["comment"]]
    assert sum("interrupted" in line for line in endings) == (verb != "preempt")


def test_a_locked_and_purged_host_stops_what_it_runs_until_it_is_unlocked(calm: EmbeddedFarm) -> None:
    api = calm.api()
    number = api.submit(job("sleep 1", cpus=1))["id"]
    calm.until(lambda: running(calm, number), "it runs")
    [name] = api.workerlock("*", purge=True, why="fan broken")
    calm.until(lambda: api.job(number)["status"] == "pending", "it was sent away")
    assert api.job(number)["reason"] == "1 host: locked"
    assert api.workerlock(name, lock=False) == [name]
    assert calm.until(lambda: api.over(number), "the job is over")["status"] == "complete"


def test_an_expanding_job_takes_every_slot_and_what_would_run_is_told(calm: EmbeddedFarm) -> None:
    api = calm.api()
    slots = api.stats()["slots"]["total"]
    number = api.submit(job("sleep 2", "1-200", cpus=1, flags="expand"))["id"]
    calm.until(lambda: api.job(number)["cpustally"]["running"] == slots, "every slot is taken")
    assert api.job(number)["cpus"] == slots
    [name] = [host["name"] for host in api.hostinfo()]
    assert api.joborder(name) == api.workorder(name) == [], "there is no room"
    assert len(api.retire(number)) == slots
    calm.until(lambda: not api.stats()["slots"]["used"], "the slots are free")
    waits = api.submit(job("true", requirements="host.name == other"))["id"]
    assert (api.hostorder(waits), api.job(waits)["reason"]) == (
        [], "no host satisfies requirements: host.name == other",
    )  # fmt: skip
    assert api.kill(waits) == [f"{waits}.0"]
