"""A worker says when which stream grew; short frames leave nothing behind, older supervisors are left in peace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qbcore.worker.marks import FEWER, NEAR, PERIOD, Marks
from qbcore.worker.spool import Spool
from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.supervisor import Supervisor


def lines(data: bytes) -> list[tuple[int, ...]]:
    return [tuple(int(word) for word in line.split()) for line in data.splitlines()]


def test_marks_tell_the_order_in_which_both_streams_were_written(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("echo one; sleep 0.7; echo two >&2; sleep 0.7; echo three", "a")
    supervisor.until(lambda: supervisor.reports)
    [report] = supervisor.reports
    supervisor.until(lambda: supervisor.log(report["grant"], "marks").endswith(b" 10 4\n"))
    told = lines(supervisor.log(report["grant"], "marks"))
    assert told == sorted(told)
    grown = list(dict.fromkeys((out, err) for _, out, err in told))
    assert grown[-3:] == [(4, 0), (4, 4), (10, 4)]
    when = {sizes: min(time for time, *found in told if tuple(found) == sizes) for sizes in grown}
    assert when[4, 4] - when[4, 0] >= 300 and when[10, 4] - when[4, 4] >= 300


def test_a_supervisor_that_knows_no_marks_gets_all_output(supervisor: Supervisor, host: Host) -> None:
    refused: list[str] = []

    def refuse(path: str, told: Any) -> tuple[int, str] | None:
        if path.endswith("/marks"):
            refused.append(path)
            return 400, "invalid"
        return None

    supervisor.refuse = refuse
    supervisor.submit("echo one; sleep 0.5; echo two", "a")
    supervisor.until(lambda: supervisor.reports)
    supervisor.until(lambda: supervisor.log(supervisor.reports[0]["grant"]) == b"one\ntwo\n")
    supervisor.until(lambda: not list((host.state / "spool").iterdir()))
    assert len(refused) == 1


def spools(folder: Path) -> tuple[Spool, Spool]:
    return Spool(folder, 1, "out"), Spool(folder, 1, "err")


def test_a_grant_that_is_over_at_once_has_no_file_of_marks(tmp_path: Path) -> None:
    out, err = spools(tmp_path)
    marks = Marks(out, err, lambda: Spool(tmp_path, 1, "marks"), 0.0)
    for number in range(10):
        marks.note(number * 10, 0, number * PERIOD / 10)
    marks.end(PERIOD * 0.99)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1.err", "1.out"]


def test_many_short_frames_leave_as_few_marks_as_a_long_one(tmp_path: Path) -> None:
    out, err = spools(tmp_path)
    marks = Marks(out, err, lambda: Spool(tmp_path, 1, "marks"), 0.0)
    for number in range(10_000):
        marks.note(number, 0, number / 1000)
    marks.end(10.0)
    assert len(lines((tmp_path / "1.marks").read_bytes())) <= 10 / NEAR + 2


def test_the_file_of_a_grant_that_writes_for_days_stays_small(tmp_path: Path) -> None:
    class Growing:
        number = 0

        def size(self) -> int:
            self.number += 1
            return self.number

    growing: Any = Growing()
    marks = Marks(growing, growing, lambda: Spool(tmp_path, 1, "marks"), 0.0)
    while marks._look_at < 3 * 86400:
        marks.look(marks._look_at)
    marks.end(3 * 86400.0)
    assert len((tmp_path / "1.marks").read_bytes()) < 8 * FEWER * 25
