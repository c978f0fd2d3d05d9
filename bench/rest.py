"""At rest: what a farm without work costs. `make bench ARGS=rest`.

The embedded farm as `make run` starts it, all of its processes added up; and one web process with 200 browsers that
watch an empty page of jobs. Shares are of one core, over SECONDS after everything has come to rest.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import psutil
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, ROOT, Figure, start
from tests.servers import free_port

BROWSERS = 200
SECONDS = float(os.environ.get("BENCH_REST", "30"))
SETTLING = 8.0
OURS = ("FARM_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "QB_", "XDG_")


@contextmanager
def serving(*command: str, **env: str) -> Iterator[psutil.Process]:
    """A program of the farm, ended with all that it started."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env={**plain, **env}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def spent(processes: list[psutil.Process]) -> float:
    """Processor seconds so far."""
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def share(processes: list[psutil.Process], seconds: float) -> float:
    """Percent of one core over the next so many seconds."""
    before, began = spent(processes), time.monotonic()
    time.sleep(seconds)
    return 100 * (spent(processes) - before) / (time.monotonic() - began)


def memory(processes: list[psutil.Process]) -> float:
    """Megabytes, what processes share counted once."""
    return sum(one.memory_full_info().pss for one in processes) / 1e6


def reachable(port: int) -> bool:
    return any(
        one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN
        for one in psutil.net_connections("tcp")
    )


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while not reachable(port):
        if time.monotonic() > deadline:
            raise SystemExit(f"nothing listens on port {port}")
        time.sleep(0.1)


def embedded() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="qbfarm-rest-") as folder:
        port = free_port()
        env = {"FARM_DATA": f"{folder}/data", "XDG_CONFIG_HOME": f"{folder}/config", "FARM_PORT": str(port)}
        with serving("manage.py", "embedded", **env) as farm:
            wait_for(port)
            time.sleep(SETTLING)
            processes = family(farm)
            busy = share(processes, SECONDS)
            used = memory(processes)
            note = ", ".join(f"{one.memory_full_info().pss / 1e6:.0f} MB" for one in processes)
    return [
        Figure("embedded farm at rest, all processes", busy, 2.0, unit="%", note=f"{len(processes)} processes"),
        Figure("  its memory", used, 200.0, unit="MB", note=note),
    ]


def cookie() -> str:
    """The session of a signed-in browser."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from qbcore import permissions

    user = permissions.ensure_user("browser", role="operator")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


async def watched(process: psutil.Process, port: int, session: str) -> float:
    async with AsyncExitStack() as open_:
        for _ in range(BROWSERS):
            socket = await open_.enter_async_context(
                connect(
                    f"ws://127.0.0.1:{port}/ws/live",
                    origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
                    additional_headers={"Cookie": session},
                    ping_interval=None,
                )
            )
            await socket.send('{"watch": {"farm": ["0"], "newest": {"job": 0}}}')
            await socket.recv()
        await asyncio.sleep(SETTLING)
        return await asyncio.to_thread(share, [process], SECONDS)


def browsers() -> Figure:
    session, port = cookie(), free_port()
    server = {key: os.environ[key] for key in ("DATABASE_URL", "REDIS_URL", "FARM_DATA") if key in os.environ}
    command = ["-m", "uvicorn", "farm.asgi:application", "--host=127.0.0.1", f"--port={port}", "--no-access-log"]
    with serving(*command, "--timeout-keep-alive=75", "--timeout-graceful-shutdown=1", **server) as web:
        wait_for(port)
        busy = asyncio.run(watched(web, port, session))
        used = memory([web])
    return Figure(f"web process with {BROWSERS} browsers, no job", busy, 1.0, unit="%", note=f"{used:.0f} MB")


def figures() -> list[Figure]:
    from django.db import connection

    found = [browsers()]
    return found if connection.vendor == "postgresql" else [*found, *embedded()]


if __name__ == "__main__":
    print(start())
    print(HEAD)
    for figure in figures():
        print(figure)
