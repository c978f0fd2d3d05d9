"""The farm's real processes on free ports of the loopback, with data in a folder of the test's own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.programs import PATIENCE, ROOT, Found, Program, carrying, gone, told, until
from tests.e2e.scripting import Api
from tests.servers import Postgres, Redis, free_port

READY = "Farm ready at "
SIGN_IN = "Sign in once at "
CHANGES_BY_ITSELF = {"duty", "counter", "delta", "sqlite_sequence", "django_session"}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a process of the farm starts with: nothing of the developer's shell but where programs are."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "FARM_DATA": str(folder / "data"),
        **more,
    }


class Farm:
    """What a test does with a farm, whatever it consists of."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.programs: list[Program] = []
        self.urls: list[str] = []

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def program(self, name: str, *command: str) -> Program:
        made = Program(name, command, env=self.env, log=self.folder / f"{name}.log")
        self.programs.append(made)
        return made

    def until(self, condition: Callable[[], Found], what: str, seconds: float = PATIENCE) -> Found:
        return until(condition, what, seconds=seconds, programs=self.programs)

    def api(self, token: str = "", *, web: int = 0) -> Api:
        """The qb module as a script has it: with that token, or with the credentials that the farm wrote."""
        return Api(self.urls[web], token, self.env["XDG_CONFIG_HOME"])

    def django(self, code: str) -> str:
        """What Python code prints that runs inside the farm's own settings."""
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        run = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def user(self, name: str, role: str = "artist") -> str:
        """The token of a user made for it."""
        return self.django(
            "from qbcore import permissions\n"
            f"user = permissions.ensure_user({name!r}, role={role!r})\n"
            "print(permissions.new_token(user, label='test'))"
        )

    def sign_in(self, name: str = "admin", role: str = "admin") -> str:
        """The path of a link that signs a browser in, once."""
        token = self.django(
            "from qbcore import permissions\n"
            f"user = permissions.ensure_user({name!r}, role={role!r})\n"
            "print(permissions.new_token(user, label='sign-in link', purpose='signin', days=1))"
        )
        return f"signin/{token}"

    def ready(self, web: int = 0) -> bool:
        """Whether the supervisor says that it and a host are."""
        return fetch(f"{self.urls[web]}readyz")[0] == 200

    def hosts(self) -> dict[str, str]:
        """The hosts' states by name."""
        return {host["name"]: host["state"] for host in self.api().hostinfo()}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """How many rows stand in each table, and the sums of all statuses: what a refused call must not change."""
        kept = sorted(self._tables() - CHANGES_BY_ITSELF)
        counted = {table: int(self.rows(f'SELECT count(*) FROM "{table}"')[0][0]) for table in kept}
        for table in ("job", "subjob", "work"):
            counted[f"{table}.status"] = int(self.rows(f"SELECT coalesce(sum(status), 0) FROM {table}")[0][0])
        return counted

    def _tables(self) -> set[str]:
        raise NotImplementedError

    def stop(self) -> None:
        """For the end of a test; a failed one is shown what the processes said."""
        for one in self.programs:
            one.ask_to_end()
        for one in self.programs:
            one.end()
        for pid in self.left():
            os.kill(pid, signal.SIGKILL)
        sys.stderr.write(told(self.programs))

    def left(self) -> dict[int, str]:
        """Processes of this farm that are alive: those it started, and their jobs, which know its address."""
        return carrying(str(self.folder), *(url.removeprefix("http://").rstrip("/") for url in self.urls))


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

    def join(self, name: str) -> None:
        """Writes a join token for that host, as an operator would."""
        command = [sys.executable, "manage.py", "jointoken", "--host", name]
        token = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        file = self.folder / f"{name}.join"
        file.touch(mode=0o600)
        file.write_text(token.stdout)

    def start(self) -> None:
        """Returns once every web process is ready and all workers are active."""
        migrate = self.program("migrate", sys.executable, "manage.py", "migrate", "--noinput")
        migrate.start()
        assert migrate.wait(60) == 0, told([migrate])
        for one in (*self.webs, self.celery, self.housekeeping):
            one.start()
        self.token = self.user("admin", "admin")
        for one in self.workers:
            self.join(one.name)
            one.start()
        self.until(lambda: all(self.ready(web) for web in range(len(self.webs))), "all web processes are ready")
        self.until(lambda: list(self.hosts().values()).count("active") == len(self.workers), "all workers are active")

    def api(self, token: str = "", *, web: int = 0) -> Api:
        return super().api(token or self.token, web=web)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[arg-type]

    def _tables(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def fetch(url: str, body: Any = None, **headers: str) -> tuple[int, str]:
    """Status and body of a request (POST of JSON when there is a body); (0, why) when nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=20) as answer:
            return int(answer.status), answer.read().decode(errors="replace")
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def all_gone(pids: list[int]) -> bool:
    return all(gone(pid) for pid in pids)
