"""Processes that KILL does not end: frozen by the system here, as by a disk that does not answer elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from qbcore.worker import process
from qbcore.worker.groups import boot, look
from qbcore.worker.lineage import MARK, Lineage
from qbcore.worker.process import Place, Process, start
from qbcore.worker.undying import Undying
from tests.qbcore.worker import supervisor as supervising
from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.supervisor import Supervisor

FREEZERS = Path("/sys/fs/cgroup/freezer")
PATIENCE = 60.0  # seconds


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Freezer:
    """A cgroup (version 1) whose processes stand still; a KILL waits until they are let go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def freeze(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid))
        (self.folder / "freezer.state").write_text("FROZEN")
        until(lambda: (self.folder / "freezer.state").read_text().strip() == "FROZEN")

    def thaw(self) -> None:
        (self.folder / "freezer.state").write_text("THAWED")


@pytest.fixture
def freezer() -> Iterator[Freezer]:
    folder = FREEZERS / f"test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as why:
        pytest.skip(f"the system freezes no processes for this account: {why}")
    one = Freezer(folder)
    yield one
    for pid in (folder / "cgroup.procs").read_text().split():
        os.kill(int(pid), 9)
    one.thaw()
    until(lambda: not (folder / "cgroup.procs").read_text().split())
    folder.rmdir()


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> Lineage:
    monkeypatch.setattr(process, "LOST", 0.5)
    monkeypatch.setattr(process, "GRACE", 0.1)
    return Lineage("test")


def begin(lineage: Lineage, folder: Path, script: str) -> Process:
    """A frame; it has written `pid` when it is to be frozen."""
    out = os.open(folder / "out", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    place = Place({"PATH": os.environ["PATH"], MARK: "test.1"}, str(folder), out, out)
    one = start(["/bin/sh", "-c", script], place, boot=boot(), lineage=lineage)
    os.close(out)
    until(lambda: (folder / "pid").exists() and (folder / "pid").read_text().endswith("\n"))
    return one


def ticked(one: Process) -> bool:
    if one.ended is None:
        one.reap(time.monotonic())
    one.tick(time.monotonic())
    return one.gone


def test_a_frame_whose_own_process_does_not_die_is_given_up(family: Lineage, freezer: Freezer, tmp_path: Path) -> None:
    one = begin(family, tmp_path, "echo $$ > pid; exec sleep 600")
    freezer.freeze(one.leader.pid)
    one.end(time.monotonic())
    until(lambda: ticked(one))
    assert one.immortal == [one.leader.pid] and (one.exit, one.signal) == (None, None)
    undying = Undying()
    undying.add(one.immortal)
    assert str(one.leader.pid) in undying.trouble
    freezer.thaw()
    until(lambda: (seen := look(one.leader.pid)) is None or not seen.alive)
    assert undying.trouble == "", "it has ended after all"
    assert one.reap(time.monotonic()) is False
    with suppress(ChildProcessError):
        os.waitpid(one.leader.pid, 0)


def test_a_frame_whose_child_does_not_die_is_given_up(family: Lineage, freezer: Freezer, tmp_path: Path) -> None:
    one = begin(family, tmp_path, "sleep 600 & echo $! > pid; wait")
    child = int((tmp_path / "pid").read_text())
    freezer.freeze(child)
    one.end(time.monotonic())
    until(lambda: ticked(one))
    assert one.immortal == [child] and one.signal is not None


@pytest.mark.timeout(120)
def test_its_place_is_free_its_attempt_is_reported_and_the_host_says_why(
    supervisor: Supervisor, hosts: Callable[..., Host], freezer: Freezer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "PATIENCE", PATIENCE)
    hosts("host", "--slots", "1").start()
    supervisor.submit("echo $$; exec sleep 600", "1", timelimit=1)
    supervisor.until(lambda: supervisor.grants and supervisor.log(max(supervisor.grants)).endswith(b"\n"))
    pid = int(supervisor.log(max(supervisor.grants)))
    freezer.freeze(pid)
    supervisor.submit("echo next", "2")
    supervisor.until(lambda: len(supervisor.reports) == 2)
    stuck, after = supervisor.reports
    assert (stuck["reason"], stuck["exit"], stuck["signal"]) == ("timelimit", None, None)
    told = f"ran longer than its timelimit of 1 s; the system does not end its processes {pid}: look at the host"
    assert stuck["message"] == told
    assert (after["exit"], supervisor.log(after["grant"])) == (0, b"next\n")
    supervisor.until(lambda: str(pid) in supervisor.requests[-1].get("trouble", ""))
    freezer.thaw()
    supervisor.until(lambda: look(pid) is None)
    supervisor.hint()
    supervisor.until(lambda: "trouble" not in supervisor.requests[-1])
