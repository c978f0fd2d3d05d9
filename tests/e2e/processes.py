"""The farm's real processes on free ports of the loopback, with data in a folder of the test's own."""

from __future__ import annotations

import secrets
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.farms import Farm, environment
from tests.e2e.programs import Program, carrying, told
from tests.e2e.scripting import Api
from tests.servers import Postgres, Redis, free_port

READY = "Farm ready at "
SIGN_IN = "Sign in once at "


class EmbeddedFarm(Farm):
    """`manage.py embedded`, started, killed and started again on one port and one folder."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.port = free_port()
        super().__init__(folder, environment(folder, FARM_PORT=str(self.port), **env))
        self.urls = [f"http://127.0.0.1:{self.port}/"]
        self.main = self.program("embedded", sys.executable, "manage.py", "embedded")

    def start(self, *, deaf: bool = False) -> None:
        """Returns once the farm says that it is ready."""
        self.main.start(deaf=deaf)
        self.until(lambda: READY in self.main.output() or not self.main.alive, "the farm says that it is ready")
        assert self.main.alive, told([self.main])

    def link(self) -> str:
        """The sign-in link that this start printed."""
        lines = self.until(
            lambda: [line for line in self.main.output().splitlines() if line.startswith(SIGN_IN)], "a sign-in link"
        )
        return lines[0].removeprefix(SIGN_IN)

    def end(self, number: int) -> float:
        """Ends the farm with one signal; the seconds that it took."""
        began = time.monotonic()
        self.main.signal(number)
        self.main.wait()
        return time.monotonic() - began

    def worker(self) -> int:
        """The id of the local worker's process, which may be another one after each death."""
        found = [pid for pid, command in carrying(f"--parent {self.main.pid}").items() if "qbcore.worker" in command]
        return found[0] if found else 0

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.data / 'farm.sqlite3'}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def _tables(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}


class ProductionFarm(Farm):
    """Web processes, Celery, housekeeping and workers on PostgreSQL and Redis, with the commands of compose.yaml."""

    def __init__(
        self, folder: Path, postgres: Postgres, redis: Redis, *, webs: int = 2, workers: int = 2, slots: int = 1,
        **env: str,
    ) -> None:  # fmt: skip
        self.database = postgres.create_database(f"e2e_{secrets.token_hex(4)}")
        servers = {
            "DATABASE_URL": self.database,
            "REDIS_URL": redis.url(),
            "FARM_POOL": "8",
            "UVICORN_ACCESS_LOG": "false",
        }
        super().__init__(folder, environment(folder, **servers, **env))
        python = sys.executable
        ports = [free_port() for _ in range(webs)]
        self.urls = [f"http://127.0.0.1:{port}/" for port in ports]
        self.slots = slots
        self.webs = [self.program(f"web{number}", *self._web(port)) for number, port in enumerate(ports)]
        self.celery = self.program(
            "celery", python, "-m", "celery", "-A", "farm", "worker", "-Q", "bulk,quick", "--loglevel=WARNING",
            "--concurrency=2",
        )  # fmt: skip
        self.housekeeping = self.program("housekeeping", python, "manage.py", "housekeeping")
        self.workers = [self.worker(f"render{number}") for number in range(workers)]
        self.token = ""

    @staticmethod
    def _web(port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "uvicorn", "farm.asgi:application", "--host=127.0.0.1", f"--port={port}"),
            *("--timeout-keep-alive=75", "--timeout-graceful-shutdown=3"),
        ]

    def worker(self, name: str, *, state: str = "", web: int | None = None) -> Program:
        """A worker that asks one of the web processes; it has joined once it was started with a token."""
        number = len([one for one in self.programs if one.name.startswith("render")])
        url = self.urls[number % len(self.urls) if web is None else web]
        folder = self.folder / (state or name)
        made = self.program(
            name, sys.executable, "manage.py", "worker", "--name", name, "--join", str(self.folder / f"{name}.join"),
            "--supervisor", url, "--state", str(folder), "--slots", str(self.slots), "--allow-root",
        )  # fmt: skip
        # A render host has its own environment: no database, no broker, no secret of the farm.
        made.env = environment(self.folder, FARM_DATA=str(self.folder / f"{name}-data"))
        return made

    def _tokens(self) -> None:
        """The token of an admin, and a file for each worker with what it joins by: all by one process."""
        names = [one.name for one in self.workers]
        told = self.django(
            "from qbcore import permissions\n"
            "admin = permissions.ensure_user('admin', role='admin')\n"
            f"joins = [permissions.new_join_token(hours=1, host=name) for name in {names}]\n"
            "print(permissions.new_token(admin, label='test'), *joins)"
        )
        self.token, *joins = told.split()
        for name, token in zip(names, joins, strict=True):
            file = self.folder / f"{name}.join"
            file.touch(mode=0o600)
            file.write_text(token)

    def start(self) -> None:
        """Returns once every web process is ready and all workers are active."""
        migrate = self.program("migrate", sys.executable, "manage.py", "migrate", "--noinput")
        migrate.start()
        assert migrate.wait(150) == 0, told([migrate])
        for one in (*self.webs, self.celery, self.housekeeping):
            one.start()
        self._tokens()
        for one in self.workers:
            one.start()
        self.until(lambda: all(self.ready(web) for web in range(len(self.webs))), "all web processes are ready", 120)
        active = len(self.workers)
        self.until(lambda: list(self.hosts().values()).count("active") == active, "all workers are active", 120)

    def api(self, token: str = "", *, web: int = 0) -> Api:
        return super().api(token or self.token, web=web)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def _tables(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
