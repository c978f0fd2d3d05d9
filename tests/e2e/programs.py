"""Programs that a test starts, waits for and ends by their ids, and what the system says of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.servers import dies_with_parent

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds that a test waits for something to come true
TAIL = 6000  # characters of a program's log in a message
Found = TypeVar("Found")


class Program:
    """A process with its output in a file. `start` may be called again after its end; `output` is of the last start.

    With `deaf` it inherits SIGINT and SIGTERM as ignored, as from a starter like nohup. It leads a process group of its
    own, as a command of an interactive shell does: `interrupt` is that shell's Ctrl-C.
    """

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env)
        self.log = log
        self.cwd = ROOT
        self._from = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, deaf: bool = False) -> None:
        assert not self.alive, f"{self.name} runs already"
        self.log.touch()
        self._from = self.log.stat().st_size
        command = dies_with_parent(self.command, by="KILL")
        if deaf:
            command = ["sh", "-c", 'trap "" INT TERM; exec "$@"', "sh", *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, cwd=self.cwd, process_group=0
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        return self._process.poll() if self._process else None

    def output(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._from)
            return log.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def interrupt(self) -> None:
        os.killpg(self.pid, signal.SIGINT)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit code; fails with the log when it takes longer."""
        assert self._process is not None, f"{self.name} was not started"
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {seconds:g} s.\n{told([self])}") from None

    def kill(self) -> None:
        """As a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def ask_to_end(self) -> None:
        if self._process is not None and self.alive:
            self._process.terminate()

    def end(self, seconds: float = 8.0) -> None:
        """For the end of a test: what was asked to end and has not is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def told(programs: Iterable[Program]) -> str:
    """The ends of the programs' logs, for a message."""
    return "\n".join(
        f"--- {one.name} (exit {one.code})\n{one.output()[-TAIL:]}" for one in programs if one.log.exists()
    )


def until(
    condition: Callable[[], Found], what: str, *, seconds: float = PATIENCE, programs: Iterable[Program] = ()
) -> Found:
    """What *condition* gives once it is true of something; fails after *seconds*, saying *what* did not come true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {found!r:.500})\n{told(programs)}")
        time.sleep(0.05)
    return found


def gone(pid: int) -> bool:
    """Whether no living process has this id."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text[text.rindex(")") + 2] in "ZX"


def carrying(*marks: str) -> dict[int, str]:
    """Living processes whose arguments or environment hold one of the marks: their ids and arguments."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (folder / "environ").read_bytes().decode(errors="replace") if readable(folder) else ""
        except OSError:
            continue
        if any(mark in command or mark in environment for mark in marks) and not gone(int(folder.name)):
            found[int(folder.name)] = command
    return found


def readable(folder: Path) -> bool:
    return os.access(folder / "environ", os.R_OK)
