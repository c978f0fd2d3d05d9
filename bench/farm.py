"""A farm's database for benchmarks: fresh, migrated, filled; and the table that their figures go to.

`DATABASE_URL` names a PostgreSQL database to use; without it SQLite in a folder that is removed at the end.
"""

from __future__ import annotations

import atexit
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_folder = tempfile.mkdtemp(prefix="qbfarm-bench-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["FARM_DATA"] = _folder
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "farm.settings")


@dataclass(frozen=True)
class Figure:
    """One line of the table. `target` and `floor` are what `measured` is held against, if any.

    `unit` is s (seconds), /s (of something a second: more is better), % (of a core) or MB.
    """

    name: str
    measured: float
    target: float | None = None
    floor: float | None = None
    note: str = ""
    unit: str = "s"

    def __str__(self) -> str:
        ratio = f"{self.measured / self.floor:.2f}x" if self.floor else ""
        cells = (*(shown(value, self.unit) for value in (self.measured, self.target, self.floor)), ratio)
        return f"{self.name:<{NAME}}" + "".join(f"{cell:>12}" for cell in cells) + f"  {self.note}"


def shown(value: float | None, unit: str = "s") -> str:
    if value is None:
        return "-"
    if unit != "s":
        return f"{value:,.{0 if value >= 100 else 1}f} {unit}".replace(" /s", "/s")
    return f"{value * 1000:.2f} ms" if value < 1 else f"{value:.2f} s"


NAME = 66
HEAD = f"{'':<{NAME}}{'measured':>12}{'target':>12}{'floor':>12}{'ratio':>12}"


def timed(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def median(act: Callable[[], Any], times: int = 3) -> float:
    return statistics.median(timed(act) for _ in range(times))


def p95(spent: list[float]) -> float:
    return sorted(spent)[min(len(spent) - 1, int(len(spent) * 0.95))]


def start() -> str:
    """Sets Django up on an empty, migrated database; answers the database's name."""
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    return str(connection.vendor)


def emptied() -> None:
    """The same farm without a job or a host: what one leaves behind would be work for the hosts of the next."""
    from django.core.management import call_command

    call_command("flush", verbosity=0, interactive=False)
