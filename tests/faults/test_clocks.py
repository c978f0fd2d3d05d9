"""The wall clock of a process in the rounds really jumps, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import clocks

HOUR = 3600
TELLS = """
import sys, time
for line in sys.stdin:
    time.sleep(0.01)
    print(time.time(), time.monotonic(), flush=True)
"""


@pytest.mark.skipif(clocks.LIBRARY is None, reason="libfaketime is not installed: clocks of workers do not jump")
def test_a_clock_jumps_while_its_process_runs(tmp_path: Path) -> None:
    clock = clocks.Clock(tmp_path / "clock")
    env = {**os.environ, **clock.env}
    with subprocess.Popen(
        [sys.executable, "-c", TELLS], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for ahead in (0, HOUR, -72 * HOUR, 0):
            clock.show(ahead)
            process.stdin.write("\n")
            process.stdin.flush()
            wall, steady = map(float, process.stdout.readline().split())
            assert abs(wall - time.time() - ahead) < HOUR / 4
            assert 0 <= time.monotonic() - steady < HOUR / 4
        process.kill()
    clocks.forget(process.pid)
    assert not list(clocks.SHARED.glob(f"*faketime_*_{process.pid}"))
