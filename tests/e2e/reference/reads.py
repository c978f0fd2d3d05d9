"""The examples that ask: for jobs, hosts, logs, history and the farm itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import qb
from tests.e2e.reference.showing import Check, Names, Shown, printed
from tests.e2e.reference.stage import BOTH, BUSY, QUIET, running, speaking, status, suspended, waiting

ROWS = {"comment", "stamp", "timestamp", "jobid", "subid", "workid"}
KNOWN = (*QUIET, BUSY, "worker02")


def folder_of_a_drive() -> Names:
    Path("c:").mkdir(exist_ok=True)
    return {}


def kept_whole(shown: Shown) -> Any:
    file = Path("c:/myjob.xml")
    return [shown.values == [file.stat().st_size], qb.recoverjob(file) == shown.names["myjob"]]


def banned() -> Names:
    qb.workerban("worker01")
    return {}


def read_and_let_in(shown: Shown) -> Any:
    assert qb.workerban("worker01", ban=False) == ["worker01"]
    return printed(shown)


def host_names(shown: Shown) -> Any:
    """Of the hosts that bear the names of the reference; there is one more with a real worker."""
    return [sorted(host["name"] for host in hosts if host["name"] in KNOWN) for hosts in shown.values]


def history(shown: Shown) -> Any:
    whole, first = shown.values
    assert all(set(row) >= ROWS and row["jobid"] == 250 for row in (*whole, *first))
    stamps = [row["timestamp"] for row in whole]
    return [len(first) < len(whole), {row["subid"] for row in first} == {0}, stamps == sorted(stamps)]


def eligible_on_worker01() -> Names:
    return waiting("worker01")


def amounts(shown: Shown) -> Any:
    (found,) = shown.values
    return {key: [sorted(row), row["asked"], row["hosts"] >= len(QUIET)] for key, row in found.items()}


def versions(pattern: str) -> Any:
    return lambda shown: bool(re.fullmatch(pattern, shown.printed.strip()))


def its_lines(shown: Shown) -> Any:
    return sorted({line for line in printed(shown) if line})


ASKING = {
    "archivejob": Check([True, True], kept_whole, folder_of_a_drive),
    "bannedworkers": Check(["name=worker01, mac=02:00:00:00:00:01, ip=127.0.0.1"], read_and_let_in, banned),
    "hostinfo": Check([sorted(KNOWN), ["myhost"], ["worker02"], sorted(KNOWN)], host_names),
    "hostorder": Check([["myhost", "worker01"]], host_names),
    "joborder": Check(["250 9999", "1234 9999"], printed, eligible_on_worker01),
    "workorder": Check(["250 0", "250 1", "1234 7"], printed, eligible_on_worker01),
    "resource": Check(
        {
            "memory": [["asked", "avail", "hosts", "total", "used"], ">=16GB", True],
            "cpus": [["asked", "avail", "hosts", "total", "used"], ">=4", True],
        },
        amounts,
    ),
    "submitcallback": Check([[True]], lambda shown: [[isinstance(one, int) for one in ids] for ids in shown.values]),
    "ping": Check(["Supervisor is alive"], printed),
    "ping again": Check(["Supervisor is alive"], printed),
    "info": Check(True, versions(r"Supervisor: \S+, Version: \d+\.\d+\.\d+")),
    "version": Check(True, versions(r"API: \S+, Supervisor: \d+\.\d+\.\d+")),
}
WHILE_IT_RUNS = {
    "jobinfo": Check(["250 walk"], printed, running),
    "workerinfo": Check([f"{BUSY} active"], printed, running),
    "stdout": Check(["frame 0", "frame 1"], its_lines, speaking),
    "stderr": Check(["light 0", "light 1"], its_lines, speaking),
    "log": Check(["frame 0", "frame 1", "light 0", "light 1"], its_lines, speaking),
    "hist": Check([True, True, True], history, speaking),
    "resume": Check([BOTH, "running"], lambda shown: [*shown.values, status()], suspended),
}
