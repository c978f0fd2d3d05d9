"""What a test does with a farm, whatever processes it consists of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.programs import PATIENCE, ROOT, Found, Program, carrying, told, until
from tests.e2e.scripting import Api

CHANGES_BY_ITSELF = {"sample", "duty", "counter", "delta", "sqlite_sequence", "django_session"}


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
    """A farm in a folder of the test's own: how to ask it, look into it and end it."""

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
