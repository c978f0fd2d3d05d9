"""The production stack whose parts the rounds break; each worker has a network, a disk and a clock of its own."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from tests.e2e.farms import fetch
from tests.e2e.processes import ProductionFarm
from tests.e2e.programs import Program, carrying
from tests.faults import clocks
from tests.faults.clocks import Clock
from tests.faults.ledger import Ledger
from tests.faults.operator import Operator
from tests.faults.proxy import Proxy, Weather
from tests.servers import Postgres, Redis

LEASE = 6.0  # seconds
DISK = "24m"  # of each worker's state folder, output that was not sent yet included
WORKERS = 3


class Stack(ProductionFarm):
    """Two web processes, Celery, two housekeepers and three workers, each behind a proxy.

    As root each worker's state folder is a small disk of its own; with libfaketime each has a wall clock of its own.
    """

    def __init__(self, folder: Path, postgres: Postgres, redis_server: Redis, seed: int) -> None:
        self._rng = random.Random(seed)
        self.proxies: dict[str, Proxy] = {}
        self.disks: dict[str, Path] = {}
        self.clocks: dict[str, Clock] = {}
        self.postgres, self.redis = postgres, redis_server
        super().__init__(
            folder, postgres, redis_server, workers=WORKERS, slots=3, FARM_LEASE=str(LEASE), FARM_SLICE="10"
        )
        self.second = self.program("housekeeping2", sys.executable, "manage.py", "housekeeping")
        self.ledger = Ledger(folder / "deeds")
        self.operator: Operator | None = None

    def worker(self, name: str, *, state: str = "", web: int | None = None) -> Program:
        """As a production farm's, but it reaches the farm through its proxy only."""
        made = super().worker(name, state=state, web=web)
        proxy = Proxy([int(urlsplit(url).port or 0) for url in self.urls], random.Random(self._rng.random()))
        self.proxies[name] = proxy
        made.command[made.command.index("--supervisor") + 1] = proxy.url
        self._mount(name)
        if clocks.LIBRARY:
            self.clocks[name] = Clock(self.folder / f"{name}-clock")
            made.env |= self.clocks[name].env
        return made

    def _mount(self, name: str) -> None:
        disk = self.folder / name
        disk.mkdir(mode=0o700)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "tmpfs", str(disk)]
        if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
            self.disks[name] = disk

    def fill_disk(self, name: str) -> None:
        """Until nothing more can be written to the worker's state folder."""
        if name not in self.disks:
            return
        with (self.disks[name] / "filler").open("wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 65536):
                    pass
            except OSError:
                return

    def free_disk(self, name: str) -> None:
        if name in self.disks:
            (self.disks[name] / "filler").unlink(missing_ok=True)

    def set_clock(self, name: str, ahead: int) -> None:
        """The worker's wall clock jumps: so many seconds before the true time, or behind it."""
        if name in self.clocks:
            self.clocks[name].show(ahead)

    def start(self) -> None:
        super().start()
        self.second.start()
        self.operator = Operator(self.env)
        self.api().updateresources({"license.fault": 2})

    def ask(self, *question: Any) -> Any:
        """What a process inside the farm answers; raises AwayError."""
        assert self.operator is not None, "the stack was not started"
        return self.operator.ask(*question)

    def supervisor(self) -> list[Program]:
        return [*self.webs, self.celery, self.housekeeping, self.second]

    def flush_redis(self) -> None:
        try:
            with redis.Redis.from_url(self.redis.url(), socket_timeout=2) as client:
                client.flushall()
        except redis.RedisError:
            return  # it is down: it comes back as empty

    def heal(self) -> None:
        """Every part runs and every way is open again."""
        for name, proxy in self.proxies.items():
            proxy.weather = Weather()
            self.free_disk(name)
            self.set_clock(name, 0)
        for server in (self.postgres, self.redis):
            if server.process is None:
                server.start()
        for one in (*self.supervisor(), *self.workers):
            revive(one)

    def dead(self) -> list[str]:
        """Which processes have ended."""
        return [one.name for one in (*self.supervisor(), *self.workers) if not one.alive]

    def left(self) -> dict[int, str]:
        urls = [url.removeprefix("http://").rstrip("/") for url in self.urls]
        return carrying(str(self.folder), *urls, *(f"127.0.0.1:{proxy.port}" for proxy in self.proxies.values()))

    def strays(self) -> dict[int, str]:
        """Processes of jobs that are alive."""
        return carrying(str(self.ledger.folder))

    def well(self) -> bool:
        return all(fetch(f"{url}readyz")[0] == 200 for url in self.urls) and set(self.hosts().values()) == {"active"}

    def stop(self) -> None:
        try:
            if self.operator:
                self.operator.stop()
            for one in self.programs:
                if one.alive:
                    one.signal(signal.SIGCONT)
            super().stop()
        finally:
            for one in self.workers:
                forget_clock(one)
            for proxy in self.proxies.values():
                proxy.stop()
            for disk in self.disks.values():
                subprocess.run(["umount", "-l", str(disk)], check=False)
            shutil.rmtree(self.ledger.folder, ignore_errors=True)


def revive(one: Program) -> None:
    """Goes on if it was stopped, starts anew if it is dead."""
    if one.alive:
        one.signal(signal.SIGCONT)
    else:
        forget_clock(one)
        one.start()


def forget_clock(one: Program) -> None:
    """Removes what a dead worker's clock left behind."""
    if one.code is not None:
        clocks.forget(one.pid)
