"""Completion in real shells: what Tab makes of a line, at a terminal where the shell has no other way to be asked."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0  # seconds


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, with `qb` on the path."""
    shim = tmp_path / "bin" / "qb"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m qb "$@"\n')
    shim.chmod(0o755)
    path = f"{shim.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8", "TERM": "dumb", "PS1": "READY> "}


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


class Terminal:
    """A shell that believes in somebody at a keyboard."""

    def __init__(self, *argv: str, folder: Path, env: dict[str, str]) -> None:
        self._said = b""
        self._pid, self._file = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execvpe(argv[0], argv, env)

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def until(self, wanted: str) -> None:
        """Reads up to and including what fits."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(wanted.encode(), self._said)) is None:
            ready, _, _ = select.select([self._file], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited for {wanted!r} in vain: {self._said!r}"
            self._said += os.read(self._file, 65536)
        self._said = self._said[found.end() :]

    def close(self) -> None:
        os.close(self._file)
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)


@pytest.fixture
def terminal(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(*argv: str) -> Terminal:
        made.append(Terminal(*argv, folder=tmp_path, env=environment))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("prepared", [True, False], ids=["as it is used", "without compinit"])
def test_zsh_completes_commands_options_values_and_files(
    terminal: Callable[..., Terminal], tmp_path: Path, *, prepared: bool
) -> None:
    needs("zsh")
    (tmp_path / "job.json").touch()
    shell = terminal("zsh", "-f", "-i")
    shell.until("READY> ")
    begin = "autoload -Uz compinit && compinit -u -D; " if prepared else ""
    shell.type(f'{begin}eval "$(qb completion zsh)"; print LOA""DED $?\n')
    shell.until("LOADED 0\r\n.*READY> ")
    for typed, wanted in (
        ("qb retryw", "retrywork "),
        ("qb jobinfo --status f", "failed "),
        ("qb jobinfo --up", "--updated"),
        ("qb submit jo", r"job\.json "),
    ):
        shell.type(f"{typed}\t")
        shell.until(re.escape(typed.rsplit(" ", 1)[0]) + " .*" + wanted)
        shell.type("\x15")


def test_zsh_loads_it_from_its_folder_of_functions(
    terminal: Callable[..., Terminal], tmp_path: Path, environment: dict[str, str]
) -> None:
    needs("zsh")
    script = subprocess.run(["qb", "completion", "zsh"], env=environment, capture_output=True, check=True).stdout
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_qb").write_bytes(script)
    shell = terminal("zsh", "-f", "-i")
    shell.until("READY> ")
    shell.type('fpath=($PWD/functions $fpath); autoload -Uz compinit && compinit -u -D; print LOA""DED $?\n')
    shell.until("LOADED 0\r\n.*READY> ")
    shell.type("qb retryw\t")
    shell.until("retrywork ")


def test_fish_completes_commands_options_values_and_files(tmp_path: Path, environment: dict[str, str]) -> None:
    needs("fish")
    (tmp_path / "job.json").touch()
    lines = (
        "qb retryw",
        "qb jobinfo --status f",
        "qb --json jobin",
        "qb workerlock --unl",
        "qb submit job.j",
        "qb submit ",
    )
    asked = "; ".join(f"complete -C '{line}'; echo ." for line in lines)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"qb completion fish | source; {asked}"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    found = [[line.split("\t")[0] for line in part.split("\n") if line] for part in done.stdout.split(".\n")]
    assert found[:5] == [["retrywork"], ["failed"], ["jobinfo"], ["--unlock"], ["job.json"]], done.stderr
    assert "job.json" in found[5] and done.stderr == ""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(shell: str, environment: dict[str, str]) -> None:
    needs(shell)
    script = subprocess.run(["qb", "completion", shell], env=environment, capture_output=True, check=True).stdout
    read = subprocess.run([shell, "-n", "/dev/stdin"], input=script, capture_output=True, check=False)
    assert (read.returncode, read.stderr) == (0, b"")
