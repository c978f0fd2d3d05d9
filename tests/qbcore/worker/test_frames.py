"""Frames run, are reported once, and their output arrives byte for byte."""

from __future__ import annotations

import os
import pwd
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.processes import alive, pids
from tests.qbcore.worker.supervisor import Supervisor

Report = dict[str, Any]


def first_report(supervisor: Supervisor) -> Report:
    supervisor.until(lambda: supervisor.reports)
    return supervisor.reports[0]


def output(supervisor: Supervisor, report: Report, stream: str = "out") -> bytes:
    start, end = report[stream]
    supervisor.until(lambda: len(supervisor.log(report["grant"], stream)) >= end)
    return supervisor.log(report["grant"], stream)[start:end]


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
    supervisor.until(lambda: not list((host.state / "spool").iterdir()))


def test_a_full_host_asks_for_more_as_soon_as_a_slot_is_free(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("exec sleep 600", "long")
    supervisor.until(supervisor.running)
    supervisor.next = 3600.0
    for name in "abcdef":
        supervisor.submit("true", name)
    supervisor.hint()
    supervisor.until(lambda: len(supervisor.reports) == 6)


def test_output_is_there_before_the_report_that_names_it(supervisor: Supervisor, host: Host) -> None:
    early: list[Report] = []

    def check(path: str, told: Any) -> None:
        for report in told["reports"] if path == "sync" else ():
            if len(supervisor.log(report["grant"])) < report["out"][1]:
                early.append(report)

    supervisor.refuse = check
    supervisor.give = 4
    supervisor.submit("echo QB_FRAME_NUMBER", *map(str, range(40)), subjobs=2)
    supervisor.until(lambda: len(supervisor.reports) == 40)
    assert not early


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_output_arrives_byte_for_byte(supervisor: Supervisor, host: Host, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    assert size < 1000 or b"\xff" in content
    (tmp_path / "noise").write_bytes(content)
    supervisor.submit(f"cat {tmp_path}/noise; cat {tmp_path}/noise >&2", "1")
    report = first_report(supervisor)
    assert output(supervisor, report) == content
    assert output(supervisor, report, "err") == content


def test_output_too_large_for_the_supervisor_goes_in_smaller_pieces(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    (tmp_path / "noise").write_bytes(content)
    supervisor.refuse = lambda path, told: (413, "large") if path.startswith("log/") and len(told) > 50_000 else None
    supervisor.submit(f"cat {tmp_path}/noise", "1")
    assert output(supervisor, first_report(supervisor)) == content


def test_the_log_of_a_frame_that_still_runs_can_be_followed(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.submit(f"echo begun; while ! [ -e {tmp_path}/go ]; do sleep 0.02; done; echo over", "1")
    supervisor.until(lambda: b"begun\n" in supervisor.logs.values())
    assert not supervisor.reports
    (tmp_path / "go").touch()
    assert output(supervisor, first_report(supervisor)) == b"begun\nover\n"


def test_a_failed_frame_tells_its_exit_code(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("exit 7", "1")
    report = first_report(supervisor)
    assert (report["exit"], report["signal"], report["reason"], report["message"]) == (7, None, "exit", "")


def test_a_crashed_frame_tells_its_signal(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("kill -SEGV $$", "1")
    report = first_report(supervisor)
    assert (report["exit"], report["signal"], report["reason"]) == (None, 11, "exit")
    assert report["message"] == "ended by signal 11 (SIGSEGV)"


def test_a_report_says_what_the_frame_used(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("python3 -c 'x = b\"x\" * 90_000_000; sum(range(3_000_000))'", "1")
    report = first_report(supervisor)
    assert 90_000_000 < report["rss"] < 400_000_000
    assert 0.02 < report["cpu"] <= report["elapsed"] * 1.5
    assert report["result"] == {}


def test_a_job_without_agenda_is_one_process(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("echo ${QB_FRAME_NUMBER-none}", prototype="cmdline")
    report = first_report(supervisor)
    assert (report["pos"], report["exit"]) == (-1, 0)
    assert output(supervisor, report) == b"none\n"


@pytest.mark.parametrize(
    ("cmdline", "fields", "message"),
    [
        ("true", {"prototype": "maya"}, "prototype: this worker cannot run 'maya'"),
        ("true", {"cwd": "/nowhere/at/all"}, "cwd: /nowhere/at/all: No such file or directory"),
        ("true", {"package": {"cmdline": "true", "shell": "/bin/nosh"}}, "/bin/nosh: No such file"),
        ("true", {"env": {"A=B": "c"}}, "env cannot be passed on: illegal environment variable name"),
        (" ", {}, "package.cmdline: the job has no command line"),
    ],
)
def test_what_cannot_be_started_is_reported_in_words(
    supervisor: Supervisor, host: Host, cmdline: str, fields: dict[str, Any], message: str
) -> None:
    supervisor.submit(cmdline, "1", **fields)
    report = first_report(supervisor)
    assert (report["reason"], report["exit"], report["signal"]) == ("spawn", None, None)
    assert message in report["message"]
    supervisor.submit("true", "2")
    supervisor.until(lambda: [later["exit"] for later in supervisor.reports[1:]] == [0])


def test_a_missing_program_fails_in_the_shells_own_words(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("/bin/no-such-program 5", "1")
    report = first_report(supervisor)
    assert (report["exit"], report["reason"]) == (127, "exit")
    assert b"/bin/no-such-program: not found" in output(supervisor, report, "err")


def test_a_script_without_its_first_line_runs_as_it_does_in_a_shell(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("echo said $1\n")
    script.chmod(0o755)
    supervisor.submit(f"{script} it", "1")
    assert output(supervisor, first_report(supervisor)) == b"said it\n"


def test_a_job_sees_its_built_environment_and_nothing_else(supervisor: Supervisor, hosts: Any) -> None:
    hosts().start(env={"FARM_SECRET": "s3cret", "QB_TOKEN": "qbh_old", "PATH": "/usr/bin:/bin", "LANG": "de_DE.UTF-8"})
    supervisor.submit("/usr/bin/env", "7", env={"SCENE": "a b", "QB_TOKEN": "forged"})
    report = first_report(supervisor)
    account = pwd.getpwuid(os.geteuid())
    seen = dict(line.split("=", 1) for line in output(supervisor, report).decode().splitlines())
    assert seen.pop("QB_MARK").endswith(f".{report['attempt']}")
    assert seen == {
        "PATH": "/usr/bin:/bin",
        "LANG": "de_DE.UTF-8",
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "SCENE": "a b",
        "QBJOBID": "1",
        "QBSUBID": "0",
        "QBPGRPID": "1",
        "QB_JOBSLOTS": "1",
        "QB_SUPERVISOR": supervisor.url,
        "QB_TOKEN": f"qba_{report['attempt']}",
        **dict.fromkeys(("QB_FRAME_NUMBER", "QB_FRAME_START", "QB_FRAME_END", "QB_FRAME_RANGE"), "7"),
        "QB_FRAME_STEP": "1",
    }


def test_the_hosts_token_is_in_one_private_file_only(supervisor: Supervisor, host: Host) -> None:
    supervisor.until(lambda: supervisor.requests)
    assert host.program is not None
    for what in ("cmdline", "environ"):
        assert b"qbh_host" not in Path(f"/proc/{host.program.pid}/{what}").read_bytes()
    holding = [path for path in host.state.rglob("*") if path.is_file() and b"qbh_host" in path.read_bytes()]
    assert [(path.name, path.stat().st_mode & 0o777) for path in holding] == [("host.json", 0o600)]
    assert host.state.stat().st_mode & 0o777 == 0o700


def test_a_frame_has_its_own_session_and_no_input(supervisor: Supervisor, host: Host) -> None:
    supervisor.submit("cat; cut -d' ' -f1,5,6 /proc/$$/stat", "1")
    pid, group, session = output(supervisor, first_report(supervisor)).split()
    assert pid == group == session


def test_what_a_frame_leaves_behind_is_ended_before_the_next_one(
    supervisor: Supervisor, host: Host, tmp_path: Path
) -> None:
    supervisor.give = 2
    left = tmp_path / "pids"
    supervisor.submit(f"sh -c 'while sleep 0.01; do echo stray; done' & echo $! >> {left}; sleep 0.1", "1", "2")
    supervisor.until(lambda: len(supervisor.reports) == 2)
    assert len(pids(left)) == 2
    assert not [pid for pid in pids(left) if alive(pid)]
    assert supervisor.reports[0]["out"][1] == supervisor.reports[1]["out"][0]


def test_a_frame_without_a_folder_of_its_own_runs_at_home(supervisor: Supervisor, host: Host, tmp_path: Path) -> None:
    supervisor.submit("pwd", "1")
    supervisor.submit("pwd", "1", cwd=str(tmp_path))
    supervisor.until(lambda: len(supervisor.reports) == 2)
    places = {output(supervisor, report).decode().strip() for report in supervisor.reports}
    assert places == {pwd.getpwuid(os.geteuid()).pw_dir, str(tmp_path)}
