"""Python code of callbacks, in a process of its own with limits. The site has to ask for it: FARM_PYTHON_CALLBACKS.

The limits keep a mistake from hurting the farm. They are no prison: the code runs as the account of the farm and can
read what that account can read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from qbcore import permissions
from qbcore.errors import Invalid, Refused
from qbcore.firings.occasion import SCOPE, Occasion, user_of

SECONDS = 30
LAUNCHER = Path(__file__).with_name("launcher.py")
TOKEN_DAYS = 1 / 24
TOLD = 1500
"""Characters of its output that are kept."""


def run_python(occasion: Occasion) -> str:
    """Runs the code once; answers the end of what it said. Raises Invalid when it fails."""
    callback = occasion.callback
    if callback is None or not settings.FARM_PYTHON_CALLBACKS:
        raise Refused("this farm runs no Python of callbacks", right="FARM_PYTHON_CALLBACKS", holders="administrators")
    user = user_of(callback)
    token = permissions.new_token(user, label=f"callback {callback.pk}", days=TOKEN_DAYS, scopes=SCOPE)
    try:
        with tempfile.TemporaryDirectory(prefix="qb-callback-") as folder:
            return _run(callback.code, _environment(occasion, token, folder), Path(folder))
    finally:
        permissions.end_token(token)


def _environment(occasion: Occasion, token: str, folder: str) -> dict[str, str]:
    """Nothing of the farm's own environment."""
    facts = occasion.facts()
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "QB_SUPERVISOR": settings.FARM_URL,
        "QB_TOKEN": token,
        "QBJOBID": str(occasion.firing.job_id),
        "QBCALLBACKID": str(occasion.firing.callback_id),
        "QB_EVENT": occasion.firing.event,
        "QB_EVENT_FRAME": occasion.firing.frame,
        "QB_EVENT_SUBJOB": str(occasion.firing.subjob),
        "QB_DELIVERY": str(occasion.firing.delivery),
        "USER": str(facts.get("user", "")),
    }


def _run(code: str, environment: dict[str, str], folder: Path) -> str:
    said = folder / "output"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", str(LAUNCHER), str(settings.BASE_DIR)],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            env={key: value.replace("\x00", "") for key, value in environment.items()},
            cwd=folder, start_new_session=True,
        )  # fmt: skip
        try:
            process.communicate(code.encode("utf-8", "replace"), timeout=SECONDS)
        except subprocess.TimeoutExpired as late:
            raise Invalid(f"it was ended after {SECONDS} s. {_tail(said)}") from late
        finally:
            _end(process)
    if process.returncode:
        ended = f"signal {-process.returncode}" if process.returncode < 0 else f"code {process.returncode}"
        raise Invalid(f"it ended with {ended}. {_tail(said)}")
    return _tail(said) or "it ended well and said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(said: Path) -> str:
    with said.open("rb") as file:
        file.seek(max(0, said.stat().st_size - TOLD))
        return file.read().decode("utf-8", "replace").replace("\x00", "").strip()
