"""Brings job 250 where an example needs it, by the API alone.

It is 30 frames for two subjobs. A frame says its number on both streams and then waits for the file `go`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qb
from tests.e2e.reference.showing import Names

WALK = {
    "name": "walk",
    "prototype": "cmdrange",
    "cpus": 2,
    "hosts": "nobody",
    "package": {
        "range": "0-29",
        "cmdline": (
            "echo frame QB_FRAME_NUMBER; echo light QB_FRAME_NUMBER >&2; "
            "while ! test -e go; do sleep 0.1; done; sleep 0.3"
        ),
    },
}
BOTH = ["250.0", "250.1"]
BUSY = "qb003"
"""The host with a real worker on which job 250 runs."""
QUIET = ("worker01", "myhost")
"""Hosts that are active and never ask for work: what they might start stays pending."""
GO = Path("go")


def until(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """What the condition gives once it is true of something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; the job is {dict(job())}")
        time.sleep(0.05)
    return found


def job(number: int = 250) -> qb.Job:
    return qb.jobinfo(id=number, agenda=True, subjobs=True)[0]


def status(number: int = 250) -> str:
    return str(job(number)["status"])


def frames(*names: str) -> list[str]:
    """The statuses of these frames of job 250."""
    known = {item["name"]: item["status"] for item in job()["agenda"]}
    return [known[name] for name in names]


def places() -> list[str]:
    """The hosts of job 250's subjobs."""
    return [subjob["host"] for subjob in job()["subjobs"]]


def held() -> None:
    """Every frame and subjob is to be done anew, and none may start."""
    qb.kill(250)
    qb.requeue(250)


def waiting(hosts: str = "nobody") -> Names:
    """Job 250 is pending, none of it is done, and no host that it names takes it."""
    held()
    qb.modify({"hosts": hosts}, 250)
    qb.unblock(250)
    until(lambda: status() == "pending", "job 250 is pending")
    return {}


def running(hosts: str = BUSY) -> Names:
    """Both subjobs of job 250 run, on these hosts."""
    if job()["hosts"] != hosts or status() not in ("pending", "running"):
        held()
        qb.modify({"hosts": hosts}, 250)
        qb.unblock(250)
    until(lambda: job()["cpustally"]["running"] == job()["todotally"]["running"] == 2, "job 250 runs on two hosts")
    return {}


def speaking() -> Names:
    """Job 250 runs, and what it said has arrived."""
    running()
    until(lambda: len(told(qb.stdout(250))) == len(told(qb.stderr(250))) == 2, "the first words of two frames")
    return {}


def told(logs: list[Any]) -> list[str]:
    """The different lines of logs, in order of the alphabet."""
    return sorted({line for row in logs for line in row["data"].splitlines()})


def suspended() -> Names:
    running()
    qb.suspend(250)
    until(lambda: status() == "suspended", "job 250 is suspended")
    return {}


def over() -> Names:
    waiting()
    qb.kill(250)
    return {}
