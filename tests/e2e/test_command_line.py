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


TALK = "for n in 1 2 3; do echo out $n; sleep 0.3; echo err $n >&2; sleep 0.3; done; printf 'no end'"


def test_a_followed_log_is_one_stream_in_the_order_of_time_and_names_the_frames(calm: EmbeddedFarm) -> None:
    number = qb(calm, "submit", "--range", "7-8", "--cpus", "1", "--cmdline", TALK).stdout.strip()
    followed = qb(calm, "log", number, "--follow")
    assert followed.returncode == 0, followed.stderr
    spoken = [f"{stream} {count}" for count in (1, 2, 3) for stream in ("out", "err")]
    host = calm.api().hostinfo()[0]["name"]
    wanted = [[f"==> {number}.0 {frame} on {host} <==", *spoken, "no end"] for frame in (7, 8)]
    assert followed.stdout.splitlines() == wanted[0] + wanted[1]
    for follow in ([], ["--follow"]):
        of_frame = qb(calm, "log", f"{number}:8", *follow)
        assert (of_frame.stdout.splitlines(), of_frame.stderr) == (wanted[1], "")
    stored = qb(calm, "log", number).stdout
    assert stored == "\n".join([*spoken, "no end"] * 2).replace("no end\nout", "no endout")
    refused = qb(calm, "log", f"{number}:99")
    assert (refused.returncode, "no frame '99'" in refused.stderr) == (1, True)


def test_waiting_for_a_job_that_fails_ends_with_5(calm: EmbeddedFarm) -> None:
    number = qb(calm, "submit", "--cmdline", "exit 3").stdout.strip()
    done = qb(calm, "waitfor", number)
    assert (done.returncode, done.stdout.split().count("failed")) == (5, 1), done.stderr
