"""A supervisor of the test's own, and real worker programs that work for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.qbcore.worker.supervisor import PATIENCE, Supervisor

ROOT = Path(__file__).resolve().parents[3]


class Host:
    """A worker program and its state folder; `start` may be called again after its end."""

    def __init__(self, folder: Path, supervisor: Supervisor, *options: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        (folder / "log").touch()
        self.join = folder / "join"
        self.join.write_text("qbj_once\n")
        self.join.chmod(0o600)
        self.options = ["--name", "a", "--join", str(self.join), "--supervisor", supervisor.url]
        self.options += ["--state", str(self.state), "--slots", "2", "--allow-root", *options]
        self.program: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "qbcore.worker", *self.options, *options]
        with (self.folder / "log").open("ab") as log:
            self.program = subprocess.Popen(argv, cwd=ROOT, stderr=log, env={**os.environ, **(env or {})})
        return self.program

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def signal(self, number: int) -> None:
        assert self.program is not None
        self.program.send_signal(number)

    def wait(self) -> int:
        assert self.program is not None
        return self.program.wait(PATIENCE)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> None:
        """For the test's end: nothing may be left."""
        if self.program is not None and self.program.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.program.wait(6)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    one = Supervisor()
    one.start()
    yield one
    one.stop()
    assert not one.problems


@pytest.fixture
def hosts(tmp_path: Path, supervisor: Supervisor) -> Iterator[Callable[..., Host]]:
    """Makes hosts; those that still run at the end are stopped."""
    made: list[Host] = []

    def make(name: str = "host", *options: str) -> Host:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Host(folder, supervisor, *options))
        return made[-1]

    yield make
    for host in made:
        host.stop()
        sys.stderr.write(host.log())  # shown with a test that failed


@pytest.fixture
def host(hosts: Callable[..., Host]) -> Host:
    """A worker with two slots, started."""
    one = hosts()
    one.start()
    return one
