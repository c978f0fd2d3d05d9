"""The command line on a whole farm: a job is followed while it writes, and waited for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.processes import EmbeddedFarm
from tests.e2e.programs import ROOT

pytestmark = pytest.mark.e2e
PATIENCE = 90
SLOW = (
    r"printf 'line QB_FRAME_NUMBER \303\274'; sleep 0.4; printf '\303'; sleep 0.4; printf '\274 end\n'; echo oops >&2"
)


def qb(farm: EmbeddedFarm, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**farm.env, "QB_SUPERVISOR": farm.urls[0], "QB_TOKEN": farm.user("alice", "operator")}
    return subprocess.run(
        [sys.executable, "-m", "qb", *words], env=env, cwd=ROOT, capture_output=True, text=True, encoding="utf-8",
        timeout=PATIENCE, check=False,
    )  # fmt: skip


def test_a_log_is_followed_to_its_end_and_no_letter_is_cut(calm: EmbeddedFarm) -> None:
    number = qb(calm, "submit", "--range", "1-3", "--cmdline", SLOW, "--name", "talk").stdout.strip()
    followed = qb(calm, "log", number, "--follow")
    assert followed.returncode == 0, followed.stderr
    wanted = [f"line {frame} üü end" for frame in (1, 2, 3)]
    assert [line for line in followed.stdout.splitlines() if line.startswith("line")] == wanted
    assert followed.stdout.count("oops") == 3
    assert qb(calm, "waitfor", number).returncode == 0
    assert qb(calm, "stdout", f"{number}.0").stdout.splitlines() == wanted
    assert qb(calm, "stdout", number, "--pos", "5", "--len", "4").stdout == "1 ü"


def test_waiting_for_a_job_that_fails_ends_with_5(calm: EmbeddedFarm) -> None:
    number = qb(calm, "submit", "--cmdline", "exit 3").stdout.strip()
    done = qb(calm, "waitfor", number)
    assert (done.returncode, done.stdout.split().count("failed")) == (5, 1), done.stderr
