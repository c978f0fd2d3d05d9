"""`python -m qb` as a process of its own, against the farm's real doors over real HTTP."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qbcore import permissions
from qbcore.models import JobRow
from qbcore.states import Status
from tests.make import make_host, make_job

pytestmark = pytest.mark.urls("tests.farm.api_urls")
ROOT = Path(__file__).resolve().parents[2]
Qb = Callable[..., "subprocess.CompletedProcess[str]"]
PATIENCE = 60


@pytest.fixture
def environment(live_server: Any, tmp_path: Path) -> dict[str, str]:
    bob = permissions.ensure_user("bob", role="artist")
    token = permissions.new_token(bob, label="shell")
    return {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path), "LANG": "C.UTF-8",
        "QB_SUPERVISOR": live_server.url, "QB_TOKEN": token, "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


@pytest.fixture
def qb(environment: dict[str, str], tmp_path: Path) -> Qb:
    """qb("kill", "5") runs the command where no package of ours is installed."""

    def run(*words: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "qb", *words], env={**environment, **variables}, cwd=tmp_path, input=given,
            capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE, check=False,
        )  # fmt: skip

    return run


def test_a_job_is_submitted_looked_at_changed_and_removed(qb: Qb, tmp_path: Path) -> None:
    job = {"name": "雪 count", "prototype": "cmdrange", "package": {"range": "1-3", "cmdline": "echo QB_FRAME_NUMBER"}}
    (tmp_path / "job.json").write_text(json.dumps(job))
    number = qb("submit", "job.json", "--priority", "100").stdout.strip()
    assert number.isdecimal()
    titles, line = qb("jobinfo", number).stdout.splitlines()
    assert titles.split()[0] == "ID" and line.split() == [number, "雪", "count", "bob", "pending", "0/3", "0", "100"]
    assert qb("modify", "--priority", "7", number).stdout.split() == [number]
    assert qb("blockwork", f"{number}:2-3").stdout.split() == [f"{number}:2", f"{number}:3"]
    found = json.loads(qb("jobinfo", "--json", "--agenda", number).stdout)[0]
    assert (found["priority"], [item["status"] for item in found["agenda"]]) == (7, ["pending", "blocked", "blocked"])
    assert qb("archivejob", "out.xml", number).returncode == 0
    assert qb("kill", number).stdout.split() == [f"{number}.0"]
    assert "kill" in qb("hist", number).stdout
    assert qb("waitfor", number, "--timeout", "5").returncode == 5
    assert qb("remove", number).stdout.split() == [number]
    gone = qb("jobinfo", number)
    assert (gone.returncode, gone.stderr) == (3, f"There is no job {number}.\n")
    assert int(qb("recoverjob", "out.xml", "--submit").stdout) > int(number)


def test_a_job_comes_from_standard_input(qb: Qb) -> None:
    job = {"prototype": "cmdline", "package": {"cmdline": "true"}}
    number = qb("submit", "-", "--quiet", "--json", given=json.dumps(job))
    assert json.loads(number.stdout)[0]["prototype"] == "cmdline"


def test_refusals_are_sentences_and_never_tracebacks(qb: Qb) -> None:
    other = str(make_job(user="alice").pk)
    for words, code, said in [
        (("kill", other), 1, "It needs the right to kill"),
        (("jobinfo", "--filters", "colour=red"), 1, "is no filter"),
        (("submit", "--prototype", "cmdrange", "--range", "1-"), 1, "range"),
        (("killwork", f"{other}:1"), 1, "It needs the right to killwork"),
        (("stdout", "4711"), 3, "There is no job 4711."),
    ]:
        done = qb(*words)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert said in done.stderr and "Traceback" not in done.stderr


def test_without_a_farm_or_a_token_it_says_so(qb: Qb) -> None:
    silent = qb("jobinfo", "--supervisor", "http://127.0.0.1:9")
    assert silent.returncode == 4 and "does not answer" in silent.stderr
    assert qb("ping", "--supervisor", "http://127.0.0.1:9", "--timeout", "1").returncode == 4
    assert qb("ping", QB_TOKEN="").stdout.startswith("supervisor: ")
    forged = qb("jobinfo", QB_TOKEN="qbu_forged")
    assert forged.returncode == 1 and "with the token from QB_TOKEN" in forged.stderr


def test_hosts_are_a_table(qb: Qb) -> None:
    make_host("worker01")
    titles, line = qb("hostinfo").stdout.splitlines()
    assert titles.split()[:2] == ["NAME", "STATE"]
    assert line.split()[:2] == ["worker01", "active"] and "0/8" in line


def test_a_reader_that_leaves_early_hears_no_complaint(environment: dict[str, str]) -> None:
    for _ in range(400):
        make_job("a" * 200)
    command = f"{sys.executable} -m qb jobinfo --json | head -c 10"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert len(done.stdout) == 10 and done.stderr == ""


def test_a_terminal_that_knows_few_letters_is_served_too(qb: Qb) -> None:
    make_job("ünïcode 雪")
    done = qb("jobinfo", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "?n?code ?" in done.stdout
    assert json.loads(qb("jobinfo", "--json", PYTHONIOENCODING="ascii").stdout)[0]["name"] == "ünïcode 雪"


def test_waiting_ends_with_0_when_all_is_complete_and_1_when_time_is_up(qb: Qb) -> None:
    done, live = make_job(frames={Status.COMPLETE: 2}), make_job()
    assert qb("waitfor", str(done.pk)).returncode == 0
    assert qb("waitfor", str(done.pk), str(live.pk), "--timeout", "0.1").returncode == 1
    assert JobRow.objects.get(pk=live.pk).status == Status.PENDING


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_the_shell_reads(qb: Qb, shell: str, tmp_path: Path) -> None:
    script = qb("completion", shell).stdout
    assert "qb __complete" in script
    if shutil.which(shell) and shell != "zsh":
        (tmp_path / "script").write_text(script)
        checked = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_completes_a_command(qb: Qb, environment: dict[str, str], tmp_path: Path) -> None:
    shim = tmp_path / "qb"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m qb "$@"\n')
    shim.chmod(0o755)
    script = qb("completion", "bash").stdout
    ask = f"{script}\nCOMP_WORDS=(qb jobinfo --status f); COMP_CWORD=3; _qb; echo ${{COMPREPLY[@]}}"
    ask += "\nCOMP_WORDS=(qb retryw); COMP_CWORD=1; _qb; echo ${COMPREPLY[@]}"
    path = {"PATH": f"{tmp_path}:{environment['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", ask], env={**environment, **path}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout.splitlines() == ["failed", "retrywork"], done.stderr
