"""Jobs run as the account that the worker's options name, and the accounts are kept apart."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qbcore.worker.accounts import Accounts, NoAccount
from qbcore.worker.process import entering
from tests.qbcore.worker.conftest import ROOT, Host
from tests.qbcore.worker.processes import alive
from tests.qbcore.worker.supervisor import Supervisor

Hosts = Callable[..., Host]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other users")


def ended(supervisor: Supervisor, count: int = 1) -> list[bytes]:
    """The output of the frames, once so many have ended, the first submitted first."""
    supervisor.until(lambda: len(supervisor.reports) == count)
    reports = sorted(supervisor.reports, key=lambda report: report["grant"])
    supervisor.until(lambda: all(len(supervisor.log(one["grant"])) >= one["out"][1] for one in reports))
    return [supervisor.log(report["grant"]) for report in reports]


def told_processes(supervisor: Supervisor, count: int) -> tuple[int, list[int]]:
    """The grant of the job and the processes whose numbers it has printed."""
    supervisor.until(lambda: supervisor.running())
    grant = max(supervisor.grants)
    supervisor.until(lambda: supervisor.log(grant).count(b"\n") == count)
    return grant, [int(word) for word in supervisor.log(grant).split()]


def start(hosts: Hosts, run_as: str) -> Host:
    host = hosts()
    host.options.remove("--allow-root")
    host.start("--run-as", run_as)
    return host


@as_root
def test_each_job_runs_as_its_user_with_that_users_groups_and_environment(supervisor: Supervisor, hosts: Hosts) -> None:
    start(hosts, "job")
    say = "id -un; id -u; id -Gn; echo $HOME $USER"
    supervisor.submit(say, user="daemon")
    supervisor.submit(say, user="nobody")
    for name, told in zip(("daemon", "nobody"), ended(supervisor, 2), strict=True):
        account = pwd.getpwnam(name)
        groups = subprocess.run(["id", "-Gn", name], capture_output=True, check=True).stdout.strip()
        lines = told.splitlines()
        assert lines[:3] == [name.encode(), b"%d" % account.pw_uid, groups]
        assert lines[3] == f"{account.pw_dir} {name}".encode()


@as_root
def test_all_jobs_run_as_the_one_account_that_is_named(supervisor: Supervisor, hosts: Hosts) -> None:
    start(hosts, "nobody")
    supervisor.submit("id -un", user="daemon")
    assert ended(supervisor) == [b"nobody\n"]


@as_root
def test_a_user_whom_the_host_does_not_know_is_named_in_the_report(supervisor: Supervisor, hosts: Hosts) -> None:
    start(hosts, "job")
    supervisor.submit("true", user="lovelace")
    supervisor.submit("true", user="root")
    supervisor.submit("true", user="")
    supervisor.until(lambda: len(supervisor.reports) == 3)
    told = {report["grant"]: (report["reason"], report["message"]) for report in supervisor.reports}
    (first, second, third) = [told[grant] for grant in sorted(told)]
    assert first[0] == second[0] == third[0] == "spawn"
    assert f"the host {os.uname().nodename} has no account 'lovelace'" in first[1]
    assert "jobs do not run as root here" in second[1]
    assert "has no account ''" in third[1]


@as_root
def test_a_job_can_open_its_output_anew_by_its_device(supervisor: Supervisor, hosts: Hosts) -> None:
    start(hosts, "nobody")
    supervisor.submit("echo one; echo two >> /dev/stdout; echo three | tee -a /dev/stderr")
    assert ended(supervisor) == [b"one\ntwo\nthree\n"]
    supervisor.until(lambda: supervisor.log(supervisor.reports[0]["grant"], "err") == b"three\n")


@as_root
def test_processes_of_other_accounts_are_ended_with_their_strays(supervisor: Supervisor, hosts: Hosts) -> None:
    host = start(hosts, "nobody")
    supervisor.submit("setsid env -i sh -c 'echo $$; exec sleep 300' & echo $$; sleep 300")
    grant, left = told_processes(supervisor, 2)
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in left} == {pwd.getpwnam("nobody").pw_uid}
    supervisor.order(grant, "end")
    supervisor.until(lambda: supervisor.grants[grant].gone)
    assert not [pid for pid in left if alive(pid)]
    assert "Traceback" not in host.log()


@as_root
def test_jobs_of_two_users_cannot_read_each_others_token(supervisor: Supervisor, hosts: Hosts) -> None:
    start(hosts, "job")
    supervisor.submit("echo $$; exec sleep 300", "1", user="daemon")
    _, (pid,) = told_processes(supervisor, 1)
    supervisor.submit(f"cat /proc/{pid}/environ || echo closed", "1", user="nobody")
    supervisor.until(lambda: supervisor.reports)
    grant = supervisor.reports[0]["grant"]
    supervisor.until(lambda: supervisor.log(grant) == b"closed\n")


def test_only_root_can_run_jobs_as_others() -> None:
    code = (
        "import os\n"
        "from qbcore.worker.accounts import accounts, Stopped\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "import pwd; me = pwd.getpwuid(os.geteuid()).pw_name\n"
        "assert accounts(me, allow_root=False).of({'user': 'ada'}) is None\n"
        "try: accounts('job', allow_root=False)\n"
        "except Stopped as why: print(why)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "only root can start processes of other users" in done.stdout


def test_without_the_option_jobs_are_the_workers_own() -> None:
    assert Accounts().of({"user": "nobody"}) is None


def test_a_job_of_root_is_refused_unless_that_is_allowed() -> None:
    with pytest.raises(NoAccount, match="--allow-root"):
        Accounts("job").of({"user": "root"})
    account = Accounts("job", allow_root=True).of({"user": "root"})
    assert account is not None and account.user == 0


@as_root
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "jobs would run as root. Give --run-as ACCOUNT"),
        (["--run-as", "lovelace"], "--run-as: user: the host"),
        (["--run-as", "root"], "jobs do not run as root here"),
    ],
)
def test_a_worker_that_may_not_run_jobs_does_not_start(tmp_path: Path, options: list[str], sentence: str) -> None:
    argv = [sys.executable, "-m", "qbcore.worker", "--state", str(tmp_path / "state"), *options]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, sentence in done.stderr) == (1, True)
    assert not (tmp_path / "state").exists()


def test_a_folder_that_root_may_not_enter_is_entered_by_the_account(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    done = subprocess.run(entering(str(folder), ["/bin/pwd", "-P"]), capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder}\n"
    missing = subprocess.run(entering(f"{folder}/none", ["/bin/pwd"]), capture_output=True, text=True, check=False)
    assert missing.returncode != 0
    assert "none" in missing.stderr
