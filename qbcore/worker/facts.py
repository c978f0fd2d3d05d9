"""What this host tells of itself: what it is at each start, how busy it is now, and what its jobs may see of it."""

from __future__ import annotations

import os
import platform
import pwd
import socket
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from qbcore.commands import PROTOTYPES
from qbcore.remote.address import Address
from qbcore.worker.hardware import hardware

VERSION = "0.3.0"
_MB = 1024 * 1024


def facts(address: Address, slots: int, jobtypes: Iterable[str] = ()) -> dict[str, Any]:
    """The facts of a hello (docs/worker.md); memory in MB, speed in MHz. `address` is the supervisor's.

    `jobtypes`: the custom ones, beside those that every worker runs.
    """
    own = _own_address(address)
    speed = psutil.cpu_freq()
    return {
        "os": platform.system().lower(),
        "architecture": platform.machine(),
        "address": own,
        "macaddress": _mac_address(own),
        "processors": psutil.cpu_count() or 1,
        "memory": psutil.virtual_memory().total // _MB,
        "swap": psutil.swap_memory().total // _MB,
        "processor_speed": round(speed.current) if speed else 0,
        "version": VERSION,
        **hardware(),
        "properties": {},
        "resources": {},
        "jobtypes": [*PROTOTYPES, *jobtypes],
        "slots": slots,
    }


def load() -> dict[str, float]:
    """How busy the host is: processors 0-1 since the last call, memory in MB."""
    return {"cpu": psutil.cpu_percent() / 100, "memory": psutil.virtual_memory().used // _MB}


def account_environment(own: Mapping[str, str], supervisor: str) -> dict[str, str]:
    """The part of a job's environment that comes from the host; of the worker's `own` only what is named here."""
    account = pwd.getpwuid(os.geteuid())
    return {
        "PATH": own.get("PATH") or os.defpath,
        "LANG": own.get("LANG") or "C.UTF-8",
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "TMPDIR": tempfile.gettempdir(),
        "QB_SUPERVISOR": supervisor,
    }


def home(env: Mapping[str, str]) -> str:
    """Where a job without a working folder runs."""
    return env["HOME"] if Path(env["HOME"]).is_dir() else "/"


def _own_address(supervisor: Address) -> str:
    """The address from which this host reaches the supervisor; connecting a datagram socket sends nothing."""
    try:
        family, kind, _, _, target = socket.getaddrinfo(supervisor.host, supervisor.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _mac_address(own: str) -> str:
    for addresses in psutil.net_if_addrs().values():
        if own and own in {address.address for address in addresses}:
            return next((address.address for address in addresses if address.family == psutil.AF_LINK), "")
    return ""
