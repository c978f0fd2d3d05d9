"""What this host is made of, as far as it tells without asking for rights: its system, processor and graphics cards."""

from __future__ import annotations

import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

PCI_NAMES = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
_CARD = re.compile(r"card\d+")
_ASKING = 5.0  # seconds for nvidia-smi, which wakes the cards


def hardware() -> dict[str, Any]:
    """release, kernel, model (of the processor), cores (physical), gpus (names); what is not known is left out."""
    found: dict[str, Any] = {
        "release": release(),
        "kernel": platform.release(),
        "model": processor(),
        "cores": psutil.cpu_count(logical=False) or 0,
        "gpus": gpus(),
    }
    return {key: value for key, value in found.items() if value}


def release() -> str:
    """'Debian GNU/Linux 12 (bookworm)'"""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    with suppress(OSError):
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return " ".join(value.split())
    return platform.processor()


def gpus(proc: Path = Path("/proc/driver/nvidia/gpus"), drm: Path = Path("/sys/class/drm")) -> list[str]:
    """The names of the graphics cards: from nvidia-smi, else from the driver, else from what the kernel lists."""
    return _from_tool() or _from_driver(proc) or _from_kernel(drm)


def _from_tool() -> list[str]:
    try:
        run = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, errors="replace", timeout=_ASKING, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in run.stdout.splitlines() if line.strip()]


def _from_driver(proc: Path) -> list[str]:
    found = []
    for card in sorted(proc.glob("*/information")):
        with suppress(OSError):
            model = re.search(r"^Model:\s*(.+)$", card.read_text(errors="replace"), re.MULTILINE)
            found.append(model[1].strip() if model else card.parent.name)
    return found


def _from_kernel(drm: Path) -> list[str]:
    """Cards by their vendor; those of a virtual screen have none that is known and are left out."""
    found = []
    for card in sorted(drm.glob("card*")):
        if _CARD.fullmatch(card.name):
            with suppress(OSError):
                vendor = (card / "device" / "vendor").read_text().strip()
                found += [PCI_NAMES[vendor]] if vendor in PCI_NAMES else []
    return found
