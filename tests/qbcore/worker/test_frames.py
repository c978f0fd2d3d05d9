"""Frames run, are reported once, and their output arrives byte for byte."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.supervisor import Supervisor


def reported(supervisor: Supervisor, pos: int) -> dict[str, object]:
    return next(report for report in supervisor.reports if report["pos"] == pos)


def output(supervisor: Supervisor, report: dict[str, object], stream: str = "out") -> bytes:
    start, end = report[stream]  # type: ignore[misc]
    return supervisor.log(int(str(report["grant"])), stream)[start:end]


def test_every_frame_runs_once_and_its_output_is_its_own(supervisor: Supervisor, host: Host) -> None:
    supervisor.give = 3
    supervisor.submit("echo frame QB_FRAME_NUMBER; echo oops QB_FRAME_NUMBER >&2", *map(str, range(1, 25)), subjobs=2)
    supervisor.until(lambda: len(supervisor.reports) == 24)
    assert Counter(report["pos"] for report in supervisor.reports) == Counter(range(24))
    for report in supervisor.reports:
        assert (report["exit"], report["signal"], report["reason"]) == (0, None, "exit")
        assert output(supervisor, report) == b"frame %d\n" % (report["pos"] + 1)
        assert output(supervisor, report, "err") == b"oops %d\n" % (report["pos"] + 1)
    supervisor.until(lambda: all(grant.over or grant.gone for grant in supervisor.grants.values()))
