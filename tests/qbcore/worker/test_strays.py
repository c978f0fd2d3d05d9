"""What a frame starts does not outlive it, wherever it goes: into another group or session, away from its parents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qbcore.worker.groups import Seen, look, signal_one
from qbcore.worker.leftovers import Traces
from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.processes import alive, condition, pids
from tests.qbcore.worker.supervisor import Supervisor

Hosts = Callable[..., Host]

# Each leaves its session and its parents and writes its number; the last ones also lose what they could be told by.
DAEMON = "import os,sys,time;os.fork() and os._exit(0);os.setsid();os.fork() and os._exit(0);"
DAEMON += "open(sys.argv[1],'a').write(str(os.getpid())+chr(10));time.sleep(300)"
ESCAPES = {
    "a session of its own": "setsid sh -c 'echo $$ >> {left}; exec sleep 300' &",
    "a double fork": f'{sys.executable} -c "{DAEMON}" {{left}} &',
    "no environment": "setsid env -i sh -c 'echo $$ >> {left}; exec sleep 300' &",
    "no environment and no output": "setsid env -i sh -c 'echo $$ >> {left}; exec sleep 300' > /dev/null 2>&1 &",
    "deaf": "setsid sh -c 'trap \"\" TERM HUP; echo $$ >> {left}; while :; do sleep 0.1; done' &",
}


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Where jobs write the numbers of their processes."""
    return tmp_path / "pids"


def living(left: Path) -> list[int]:
    return [pid for pid in pids(left) if alive(pid)]


def written(left: Path) -> str:
    return f"while ! [ -s {left} ]; do sleep 0.01; done"


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_stray_is_ended_before_the_frame_is_reported(
    supervisor: Supervisor, host: Host, left: Path, escape: str
) -> None:
    at_report: list[int] = []
    supervisor.refuse = lambda path, told: (
        at_report.extend(living(left)) if path == "sync" and told["reports"] else None
    )
    supervisor.submit(f"{ESCAPES[escape].format(left=left)} {written(left)}; echo hi", "1")
    supervisor.until(lambda: supervisor.reports)
    assert not at_report
    assert not living(left)
    assert supervisor.reports[0]["exit"] == 0


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_killed_frame_takes_its_strays_with_it(supervisor: Supervisor, host: Host, left: Path, escape: str) -> None:
    supervisor.submit(f"{ESCAPES[escape].format(left=left)} sleep 300", "1")
    supervisor.until(lambda: supervisor.running() and living(left))
    (grant,) = supervisor.grants
    supervisor.order(grant, "end")
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert not living(left)
    assert [report["reason"] for report in supervisor.reports] == ["ended"]


def test_a_stray_does_not_write_into_the_next_frames_output(supervisor: Supervisor, host: Host, left: Path) -> None:
    supervisor.give = 2
    stray = f"setsid sh -c 'echo $$ >> {left}; while :; do echo stray QB_FRAME_NUMBER; sleep 0.001; done' &"
    own = f"while [ $(wc -l < {left}) -lt QB_FRAME_NUMBER ]; do sleep 0.01; done; echo own QB_FRAME_NUMBER"
    supervisor.submit(f"touch {left}; {stray} {own}", "1", "2")
    supervisor.until(lambda: len(supervisor.reports) == 2)
    for number, report in enumerate(supervisor.reports, 1):
        start, end = report["out"]
        supervisor.until(lambda: len(supervisor.log(report["grant"])) >= end)  # noqa: B023 -- called at once
        lines = set(supervisor.log(report["grant"])[start:end].splitlines())
        assert b"own %d" % number in lines
        assert lines <= {b"own %d" % number, b"stray %d" % number}
    assert not living(left)


def test_strays_of_one_frame_are_not_taken_for_those_of_another(
    supervisor: Supervisor, host: Host, left: Path, tmp_path: Path
) -> None:
    daemon = ESCAPES["a double fork"].format(left=left)
    supervisor.submit(f"{daemon} while ! [ -e {tmp_path}/go ]; do sleep 0.02; done", "1")
    supervisor.until(lambda: supervisor.running() and living(left))
    supervisor.submit("setsid true & true", "1", "2", "3")
    supervisor.until(lambda: len(supervisor.reports) == 3)
    assert living(left) == pids(left)
    (tmp_path / "go").touch()
    supervisor.until(lambda: len(supervisor.reports) == 4)
    assert not living(left)


def test_strays_are_suspended_with_their_frame(supervisor: Supervisor, host: Host, left: Path, tmp_path: Path) -> None:
    stray = ESCAPES["a session of its own"].format(left=left)
    supervisor.submit(f"{stray} while ! [ -e {tmp_path}/go ]; do sleep 0.02; done", "1")
    supervisor.until(lambda: supervisor.running() and living(left))
    (grant,), (pid,) = supervisor.grants, pids(left)
    supervisor.order(grant, "suspend")
    supervisor.until(lambda: condition(pid) == "T")
    supervisor.order(grant, "")
    supervisor.until(lambda: condition(pid) == "S")
    (tmp_path / "go").touch()
    supervisor.until(lambda: supervisor.reports)
    assert not alive(pid)


@pytest.mark.parametrize("escape", ["a double fork", "no environment", "deaf"])
def test_strays_of_a_killed_worker_are_ended_by_the_next(
    supervisor: Supervisor, host: Host, left: Path, escape: str
) -> None:
    supervisor.submit(f"{ESCAPES[escape].format(left=left)} {written(left)}; sleep 300", "1")
    supervisor.until(lambda: supervisor.running() and living(left))
    host.kill()
    at_hello: list[int] = []
    supervisor.refuse = lambda path, told: at_hello.extend(living(left)) if path == "hello" else None
    host.start()
    supervisor.until(lambda: len(supervisor.hellos) == 2)
    assert not at_hello
    assert supervisor.hellos[0]["ended"] == 0
    assert supervisor.hellos[1]["ended"] >= 2
    assert f"ended {supervisor.hellos[1]['ended']} processes" in host.log()


def test_processes_whose_start_was_not_written_down_are_found_too(
    supervisor: Supervisor, host: Host, left: Path
) -> None:
    supervisor.submit(f"echo $$ >> {left}; exec sleep 300", "1")
    supervisor.until(lambda: supervisor.running() and living(left))
    host.kill()
    (host.state / "groups.jsonl").write_bytes(b"")
    host.start()
    supervisor.until(lambda: len(supervisor.hellos) == 2)
    assert not living(left)


def test_a_worker_leaves_the_processes_of_another_alone(supervisor: Supervisor, hosts: Hosts, left: Path) -> None:
    host = hosts()
    host.start()
    supervisor.submit(f"echo $$ >> {left}; exec sleep 300", "1")
    supervisor.until(lambda: supervisor.running() and living(left))
    second = hosts("second")
    second.state.mkdir()
    (second.state / "host.json").write_bytes((host.state / "host.json").read_bytes())
    second.start()
    assert second.wait() == 1  # the first is alive
    assert living(left) == pids(left)


def test_a_report_counts_the_memory_and_the_time_of_the_whole_tree(supervisor: Supervisor, host: Host) -> None:
    hungry = f"{sys.executable} -c 'import time; x = b\"x\" * 80_000_000; sum(range(4_000_000)); time.sleep(1.6)'"
    supervisor.submit(f"setsid {hungry} & setsid {hungry} & wait", "1")
    supervisor.until(lambda: supervisor.reports)
    report = supervisor.reports[0]
    assert 160_000_000 < report["rss"] < 500_000_000
    assert report["cpu"] > 0.1


def test_the_time_of_a_process_that_nobody_waited_for_is_counted(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    busy = f'{sys.executable} -c \'sum(range(20_000_000)); open("{tmp_path}/done", "w")\''
    supervisor.submit(f"(setsid {busy} &); while ! [ -e {tmp_path}/done ]; do sleep 0.05; done", "1")
    supervisor.until(lambda: supervisor.reports)
    assert supervisor.reports[0]["cpu"] > 0.1


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        yield process
        process.kill()


def test_a_signal_does_not_reach_a_process_that_only_has_the_same_number(stranger: subprocess.Popen[bytes]) -> None:
    seen = look(stranger.pid)
    assert seen is not None
    signal_one(seen._replace(started=seen.started - 1), signal.SIGKILL)
    assert stranger.poll() is None
    signal_one(seen, signal.SIGKILL)
    assert stranger.wait(20) == -signal.SIGKILL


def test_leftovers_never_include_the_program_that_looks_or_those_above_it() -> None:
    found = Traces(frozenset({os.getsid(0)}), b"QB_MARK=none.", frozenset()).left()
    assert not {os.getpid(), os.getppid()} & {seen.pid for seen in found}


def test_a_process_is_read_as_the_system_shows_it(stranger: subprocess.Popen[bytes]) -> None:
    seen = look(stranger.pid)
    assert isinstance(seen, Seen)
    assert (seen.parent, seen.group, seen.session) == (os.getpid(), stranger.pid, stranger.pid)
    assert seen.alive
    assert 0 < seen.rss < 100_000_000
