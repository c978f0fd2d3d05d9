"""The public qb module against a farm of the test's: inside this process, or in one where no Django is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qbcore import surface
from qbcore.remote import client
from qbcore.remote.transport import set_transport
from tests.e2e.programs import ROOT

_one_at_a_time = threading.RLock()


class Api:
    """`api.jobinfo(id=5)` is `qb.jobinfo(id=5)` of a script whose environment names this farm."""

    def __init__(self, url: str, token: str, config: str) -> None:
        self._environment = {"QB_SUPERVISOR": url, "XDG_CONFIG_HOME": config, **({"QB_TOKEN": token} if token else {})}

    def __getattr__(self, name: str) -> Any:
        function = getattr(surface, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with _one_at_a_time, over_http(self._environment):
                return function(*args, **kwargs)

        return call

    def job(self, number: int, **fields: Any) -> Any:
        """One job as the farm gives it."""
        found = self.jobinfo(id=number, **fields)
        assert found, f"there is no job {number}"
        return found[0]

    def over(self, number: int) -> Any:
        """The job once it is complete, failed or killed; else None."""
        job = self.job(number)
        return job if job["status"] in ("complete", "failed", "killed") else None

    def frames(self, number: int) -> dict[str, str]:
        """The statuses of a job's frames by name."""
        return {item["name"]: item["status"] for item in self.job(number, agenda=True)["agenda"]}


@contextmanager
def over_http(environment: dict[str, str]) -> Iterator[None]:
    """This process is a script for a while, with these variables and no others of qb's."""
    names = [*(name for name in os.environ if name.startswith("QB_")), *environment]
    before = {name: os.environ.pop(name, None) for name in dict.fromkeys(names)}
    transport = set_transport(client)
    os.environ.update(environment)
    try:
        yield
    finally:
        set_transport(transport)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def run_script(text: str, folder: Path, env: dict[str, str], *, seconds: float = 60) -> str:
    """What a script prints that can import qb and nothing that was installed."""
    file = folder / "script.py"
    file.write_text(text)
    command = [sys.executable, "-S", str(file)]
    alone = {"PYTHONPATH": str(ROOT), **env}
    run = subprocess.run(command, env=alone, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
