"""A worker that was killed, stopped or started twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.qbcore.worker.conftest import ROOT, Host
from tests.qbcore.worker.processes import alive, pids
from tests.qbcore.worker.supervisor import Supervisor

Hosts = Callable[..., Host]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    return tmp_path / "pids"


def long(left: Path) -> str:
    """Two generations that stay; the first output tells that both are there."""
    return f"echo $$ >> {left}; sleep 300 & echo $! >> {left}; echo begun; wait"


def begun(supervisor: Supervisor, left: Path, count: int = 2) -> None:
    supervisor.until(lambda: len(pids(left)) == count and supervisor.running())


def living(left: Path) -> list[int]:
    return [pid for pid in pids(left) if alive(pid)]


def test_what_a_killed_worker_left_running_is_ended_before_the_next_says_hello(
    supervisor: Supervisor, host: Host, left: Path
) -> None:
    supervisor.submit(long(left), "1")
    begun(supervisor, left)
    host.kill()
    assert len(living(left)) == 2
    at_hello: list[int] = []
    supervisor.refuse = lambda path, told: at_hello.extend(living(left)) if path == "hello" else None
    host.start()
    supervisor.until(lambda: len(supervisor.hellos) == 2)
    assert not at_hello
    assert supervisor.hellos[1]["previous"] == supervisor.hellos[0]["session"]
    assert supervisor.hellos[1]["held"] == {}
    assert "ended 2 processes that an earlier worker had left running" in host.log()
    assert len(supervisor.joins) == 1


def test_processes_whose_leader_is_gone_are_found_too(supervisor: Supervisor, host: Host, left: Path) -> None:
    supervisor.submit(long(left), "1")
    begun(supervisor, left)
    leader, child = pids(left)
    host.kill()
    os.kill(leader, signal.SIGKILL)
    supervisor.until(lambda: not alive(leader))
    host.start()
    supervisor.until(lambda: len(supervisor.hellos) == 2)
    assert not alive(child)


def test_a_process_that_only_has_the_same_number_is_left_alone(supervisor: Supervisor, hosts: Hosts) -> None:
    host = hosts()
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as stranger:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        host.state.mkdir()
        (host.state / "groups.jsonl").write_text(f'[7,[{stranger.pid},5,6,"{boot}"]]\n[8,[{stranger.pid},0,99999999')
        host.start()
        supervisor.until(lambda: supervisor.requests)
        assert alive(stranger.pid)
        stranger.kill()


def test_output_that_a_killed_worker_had_not_sent_is_sent_by_the_next(
    supervisor: Supervisor, host: Host, left: Path
) -> None:
    supervisor.submit(f"echo one; {long(left)}", "1")
    supervisor.until(lambda: b"one\nbegun\n" in supervisor.logs.values())
    begun(supervisor, left)
    (grant,) = supervisor.grants
    host.kill()
    with (host.state / "spool" / f"{grant}.out").open("ab") as spool:
        spool.write(b"unsent \xff\n")
    host.start()
    supervisor.until(lambda: supervisor.log(grant) == b"one\nbegun\nunsent \xff\n")
    supervisor.until(lambda: not list((host.state / "spool").iterdir()))


def test_a_report_that_was_not_accepted_is_not_lost_with_the_worker(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    supervisor.submit(f"while ! [ -e {tmp_path}/go ]; do sleep 0.01; done; echo done >> {tmp_path}/done", "1")
    supervisor.until(supervisor.running)
    supervisor.refuse = lambda path, told: (503, "away") if path == "sync" else None
    (tmp_path / "go").touch()
    supervisor.until(lambda: b"exit" in (host.state / "reports.jsonl").read_bytes())
    host.kill()
    supervisor.refuse = lambda path, told: None
    host.start()
    supervisor.until(lambda: supervisor.reports)
    (grant,) = supervisor.grants
    attempt = supervisor.reports[0]["attempt"]
    assert supervisor.reports[0]["exit"] == 0
    assert supervisor.hellos[1]["held"] == {str(grant): [attempt]}
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert (tmp_path / "done").read_text() == "done\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_stop_hands_everything_back(
    supervisor: Supervisor, host: Host, left: Path, number: int
) -> None:
    supervisor.give = 2
    supervisor.submit(long(left), "1", "2")
    begun(supervisor, left)
    host.signal(number)
    assert host.wait() == 0
    assert not living(left)
    assert [report["reason"] for report in supervisor.reports] == ["ended"]
    last = supervisor.requests[-1]
    assert (last["room"], last["held"], last["gone"]) == (False, {}, list(supervisor.grants))
    assert [told.get("leaving", False) for told in supervisor.requests[-2:]] == [False, True]
    assert len(next(iter(supervisor.grants.values())).subjob.frames) == 1


def test_stubborn_frames_do_not_keep_a_worker_from_stopping_in_time(
    supervisor: Supervisor, host: Host, left: Path
) -> None:
    supervisor.submit(f"trap '' TERM; echo $$ >> {left}; while :; do sleep 300; done", "1")
    begun(supervisor, left, 1)
    started = time.monotonic()
    host.signal(signal.SIGTERM)
    assert host.wait() == 0
    assert time.monotonic() - started < 4
    assert not living(left)
    assert [report["signal"] for report in supervisor.reports] == [9]


def test_a_worker_stops_in_time_when_nobody_answers(supervisor: Supervisor, host: Host, left: Path) -> None:
    supervisor.submit(long(left), "1")
    begun(supervisor, left)
    supervisor.stop()
    started = time.monotonic()
    host.signal(signal.SIGTERM)
    assert host.wait() == 0
    assert time.monotonic() - started < 4.5
    assert not living(left)
    supervisor.start()
    host.start()
    supervisor.until(lambda: [report["reason"] for report in supervisor.reports] == ["ended"])


def test_signals_that_were_inherited_as_ignored_still_stop_it(supervisor: Supervisor, hosts: Hosts) -> None:
    host = hosts()
    ignored = "trap '' TERM INT; exec \"$@\""
    argv = ["/bin/sh", "-c", ignored, "sh", sys.executable, "-m", "qbcore.worker", *host.options]
    host.program = subprocess.Popen(argv, cwd=ROOT)
    supervisor.until(lambda: supervisor.requests)
    host.signal(signal.SIGTERM)
    assert host.wait() == 0


def test_a_worker_that_waits_for_its_supervisor_can_be_stopped(supervisor: Supervisor, hosts: Hosts) -> None:
    supervisor.stop()
    host = hosts()
    host.start()
    supervisor.until(lambda: "trying again" in host.log())
    host.signal(signal.SIGTERM)
    assert host.wait() == 0


def test_a_local_worker_ends_with_the_farm_that_started_it(supervisor: Supervisor, hosts: Hosts, left: Path) -> None:
    with subprocess.Popen(["sleep", "300"]) as farm:
        host = hosts("host", "--parent", str(farm.pid))
        host.start()
        supervisor.submit(long(left), "1")
        begun(supervisor, left)
        farm.kill()
    assert host.wait() == 0
    assert not living(left)


def test_a_local_worker_does_not_start_without_its_farm(hosts: Hosts) -> None:
    with subprocess.Popen(["true"]) as farm:
        pass
    host = hosts("host", "--parent", str(farm.pid))
    host.start()
    assert host.wait() == 1
    assert f"--parent: there is no process {farm.pid} any more." in host.log()


def test_a_second_worker_in_the_same_folder_is_refused(supervisor: Supervisor, host: Host, hosts: Hosts) -> None:
    supervisor.until(lambda: supervisor.requests)
    second = hosts("second")
    second.start("--state", str(host.state))
    assert second.wait() == 1
    assert f"another worker is using {host.state}" in second.log()
    assert host.program is not None and host.program.poll() is None


def test_a_second_worker_with_a_copied_token_is_refused(supervisor: Supervisor, host: Host, hosts: Hosts) -> None:
    supervisor.until(lambda: supervisor.requests)
    second = hosts("second")
    second.state.mkdir()
    (second.state / "host.json").write_bytes((host.state / "host.json").read_bytes())
    second.start()
    assert second.wait() == 1
    assert "the supervisor refuses this worker: its worker is alive." in second.log()


def test_a_hello_whose_answer_is_lost_does_not_lock_the_host_out(supervisor: Supervisor, host: Host) -> None:
    supervisor.until(lambda: supervisor.requests)
    host.kill()
    supervisor.refuse = lambda path, told: 0 if path == "hello" else None
    host.start()
    supervisor.until(lambda: len(supervisor.hellos) == 2)
    host.kill()
    supervisor.refuse = lambda path, told: (503, "away") if path == "hello" else None
    host.start()
    supervisor.until(lambda: "it answered 503" in host.log())
    host.kill()
    supervisor.refuse = lambda path, told: None
    host.start()
    supervisor.until(lambda: supervisor.requests[-1]["session"] == supervisor.hellos[-1]["session"])


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ((401, "expired"), "--join: refused: expired."),
        ((409, "taken"), "--name: refused: taken."),
        ((426, "version 2"), "the supervisor refuses this worker: refused: version 2."),
        ((404, "nothing here"), "--supervisor: it refused 'join': refused: nothing here."),
    ],
)
def test_a_host_that_may_not_join_says_why(
    supervisor: Supervisor, hosts: Hosts, refusal: tuple[int, str], sentence: str
) -> None:
    supervisor.refuse = lambda path, told: refusal
    host = hosts()
    host.start()
    assert host.wait() == 1
    assert sentence in host.log()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--join", "/nowhere/token"], "--join: /nowhere/token cannot be read: No such file or directory."),
        (["--state", "/proc/worker"], "--state: /proc/worker cannot be used"),
        (["--slots", "none"], "'none' is not a number from 1"),
        (["--supervisor", "ftp://farm"], "'ftp' is neither http nor https"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    supervisor: Supervisor, hosts: Hosts, options: list[str], sentence: str
) -> None:
    host = hosts()
    host.start(*options)
    assert host.wait() in (1, 2)
    assert sentence in host.log()
    assert not supervisor.requests


def test_a_folder_belongs_to_one_host(supervisor: Supervisor, host: Host) -> None:
    supervisor.until(lambda: supervisor.requests)
    host.signal(signal.SIGTERM)
    host.wait()
    host.start("--name", "b")
    assert host.wait() == 1
    assert "belongs to the host a" in host.log()


def test_it_is_told_once_which_host_this_is(supervisor: Supervisor, host: Host) -> None:
    supervisor.until(lambda: supervisor.hellos)
    assert supervisor.joins == [{"name": "a", "token": "qbj_once", "protocol": 2}]
    facts: dict[str, Any] = supervisor.hellos[0]["facts"]
    assert facts["address"] == "127.0.0.1"
    assert facts["slots"] == 2
    assert facts["processors"] == os.cpu_count()
    assert facts["memory"] > 100
    assert facts["jobtypes"] == ["cmdline", "cmdrange", "pyCmdline", "pyCmdrange"]
    assert supervisor.hellos[0]["previous"] == ""
