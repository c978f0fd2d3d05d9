"""The examples that change jobs and their frames."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import qb
from tests.e2e.reference.showing import Check, Names, Shown
from tests.e2e.reference.stage import BOTH, BUSY, GO, frames, job, over, running, status, until, waiting

moves: list[list[str]] = []
"""Where job 250's subjobs were before each statement."""


def and_its_status(shown: Shown) -> Any:
    return [*shown.values, status()]


def and_frames(*names: str) -> Any:
    return lambda shown: [*shown.values, frames(*names)]


def said_hello(shown: Shown) -> Any:
    (made,) = shown.values[-1]
    (over,) = qb.waitfor(made, timeout=30)
    until(lambda: qb.stdout(over)[0]["data"], "its words have arrived")
    return [over["name"], over["status"], qb.stdout(over)[0]["data"]]


def runs_where_it_may(shown: Shown) -> Any:
    number = shown.values[-1]["id"]
    until(lambda: job(number)["status"] == "running", "the job runs")
    found = job(number)
    qb.kill(number)
    return [found["priority"], found["cluster"], found["cpus"], found["subjobs"][0]["host"]]


def order(shown: Shown) -> Any:
    """Job 250 among its neighbours, in the order in which hosts would take them."""
    row = sorted(qb.jobinfo(id=[249, 250, 251]), key=lambda one: (one["priority"], one["localorder"], one["id"]))
    return [*shown.values, [one["id"] for one in row]]


def ended() -> Names:
    waiting()
    qb.killwork("250:0", "250:1", "250:25-29")
    return {}


def on_two_hosts() -> Names:
    others = {host["name"] for host in qb.hostinfo(state="active") if host["name"] not in ("worker01", "myhost")}
    running(",".join(sorted(others)))
    moves.append([subjob["host"] for subjob in job()["subjobs"]])
    return {}


def moved(shown: Shown) -> Any:
    """For each migration, which subjobs run on another host than before."""
    on_two_hosts()
    return [*shown.values, [[old != new for old, new in zip(*pair, strict=True)] for pair in pairwise(moves)]]


def about_to_leave() -> Names:
    running()
    qb.modify({"hosts": "nobody"}, 250)
    return {}


def left_after_its_frames(shown: Shown) -> Any:
    GO.touch()
    until(lambda: status() == "pending", "job 250 has left its host")
    GO.unlink()
    return [*shown.values, job()["cpustally"]["pending"], 2 <= job()["todotally"]["complete"] < 30]


def gone(shown: Shown) -> Any:
    comments = " ".join(row["comment"] for row in qb.hist(250))
    return [*shown.values, qb.jobinfo(id=250), "remove" in comments]


MAKING = {
    "Job": Check(["example", "complete", "hello\n"], said_hello),
    "submit": Check([9999, "/project/rnd", 1, BUSY], runs_where_it_may),
}
HOLDING = {
    "block": Check([BOTH, "blocked"], and_its_status, waiting),
    "blockwork": Check([["250:0", "250:1"], ["blocked", "blocked", "pending"]], and_frames("0", "1", "2"), waiting),
    "bottom": Check([[250], [249, 251, 250]], order, waiting),
    "top": Check([[250], [250, 249, 251]], order, waiting),
    "killwork": Check(
        [["250:0"], ["250:0", "250:1"], ["killed", "killed", "pending"]], and_frames("0", "1", "2"), waiting
    ),
    "requeuework": Check(
        [["250:0"], [f"250:{frame}" for frame in range(25, 30)], ["killed", "blocked", "blocked", "pending"]],
        and_frames("0", "25", "29", "2"),
        ended,
    ),
    "retrywork": Check(
        [["250:0"], ["250:0", "250:1"], ["pending", "pending", "killed"]], and_frames("0", "1", "25"), ended
    ),
    "retry": Check([BOTH, "pending"], and_its_status, over),
    "requeue": Check([BOTH, "blocked"], and_its_status, over),
}
RUNNING = {
    "suspend": Check([BOTH, "suspended"], and_its_status, running),
    "preempt": Check([BOTH, 2, True], left_after_its_frames, about_to_leave),
    "migrate": Check([BOTH, ["250.1"], [[True, True], [False, True]]], moved, on_two_hosts),
    "kill": Check([BOTH, ["250.0"], "killed"], lambda shown: [*shown.values, job()["subjobs"][0]["status"]], running),
    "modify": Check([[250], 123], lambda shown: [*shown.values, job()["priority"]], waiting),
}
ENDING = {"remove": Check([[250], [], True], gone)}
