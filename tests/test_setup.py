"""`.ci/venv`, which every make target calls first: it says in one sentence what is missing, and does its work once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("sh", "dirname", "cmp", "cut", "grep", "rm", "cp", "mkdir", "touch", "chmod")

# Stands for an interpreter: VERSION as it calls itself, and whether it can make environments. Its environments are
# made of itself, with a pip that writes down how it was called.
INTERPRETER = """#!/bin/sh
case "$*" in
*version_info*) exit {too_old} ;;
*ensurepip*) exit {bare} ;;
*python_version*) echo {version} ;;
"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
"-m pip"*) echo "$*" >> pip-calls; exit {pip_fails} ;;
esac
"""


class Clone:
    """A folder with the script and small locks, and a PATH with nothing else than what is put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci/venv", folder / ".ci/venv")
        for lock in ("requirements.lock", "requirements-test.lock"):
            (folder / lock).write_text("one==1 \\\n    --hash=sha256:00\ntwo==2 \\\n    --hash=sha256:00\n")
        for tool in TOOLS:
            (self.programs / tool).symlink_to(shutil.which(tool) or tool)

    def interpreter(self, name: str, version: str, *, bare: bool = False, pip_fails: bool = False) -> None:
        too_old = tuple(map(int, version.split(".")[:2])) < (3, 11)
        text = INTERPRETER.format(version=version, too_old=int(too_old), bare=int(bare), pip_fails=int(pip_fails))
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def prepare(self, kind: str = "run") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.programs), "HOME": "/nonexistent"}
        return subprocess.run(
            [".ci/venv", kind], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def pip_calls(self) -> list[str]:
        calls = self.folder / "pip-calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_an_old_python_is_named_in_one_sentence_with_the_fix(clone: Clone) -> None:
    clone.interpreter("python3", "3.9.2")
    run = clone.prepare()
    assert run.returncode == 2
    assert run.stdout + run.stderr == (
        "The farm needs Python 3.11 or newer and found 3.9.2: install it (for example `apt-get install python3.11 "
        "python3.11-venv`) or name one with PYTHON=/path/to/python3 and run make again.\n"
    )


def test_a_missing_venv_module_is_named_in_one_sentence_with_the_fix(clone: Clone) -> None:
    clone.interpreter("python3.12", "3.12.1", bare=True)
    run = clone.prepare()
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1
    assert "`apt-get install python3-venv` (its own package is python3.12-venv)" in run.stderr


def test_no_python_at_all_is_said(clone: Clone) -> None:
    run = clone.prepare()
    assert (run.returncode, "found none" in run.stderr) == (2, True)


def test_a_python_that_can_make_environments_is_preferred(clone: Clone) -> None:
    clone.interpreter("python3.11", "3.11.2", bare=True)
    clone.interpreter("python3", "3.13.0")
    run = clone.prepare()
    assert run.returncode == 0
    assert run.stderr == "Installing 2 locked packages into .venv (Python 3.13.0), this once ...\n"


def test_only_hashed_packages_are_installed_and_no_cache_is_written_outside(clone: Clone) -> None:
    clone.interpreter("python3.11", "3.11.2")
    clone.prepare()
    (call,) = clone.pip_calls()
    assert {"--require-hashes", "--no-cache-dir", "requirements.lock"} <= set(call.split())


def test_the_second_call_has_nothing_to_do(clone: Clone) -> None:
    clone.interpreter("python3.11", "3.11.2")
    clone.prepare()
    second = clone.prepare()
    assert (second.returncode, second.stderr, len(clone.pip_calls())) == (0, "", 1)


def test_a_changed_lock_is_installed(clone: Clone) -> None:
    clone.interpreter("python3.11", "3.11.2")
    clone.prepare()
    (clone.folder / "requirements.lock").write_text("one==2 \\\n    --hash=sha256:00\n")
    clone.prepare()
    assert len(clone.pip_calls()) == 2


def test_what_the_tests_installed_serves_the_farm(clone: Clone) -> None:
    clone.interpreter("python3.11", "3.11.2")
    clone.prepare("test")
    clone.prepare("run")
    assert [call.split()[-1] for call in clone.pip_calls()] == ["requirements-test.lock"]


def test_a_failed_installation_is_tried_again(clone: Clone) -> None:
    clone.interpreter("python3.11", "3.11.2", pip_fails=True)
    first = clone.prepare()
    assert first.returncode == 2
    assert first.stderr.splitlines()[-1].startswith("The packages of requirements.lock could not be installed")
    clone.prepare()
    assert len(clone.pip_calls()) == 2


def test_the_scripts_that_make_calls_can_be_executed() -> None:
    assert all(os.access(script, os.X_OK) for script in (ROOT / ".ci").iterdir())
