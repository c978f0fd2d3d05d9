"""The embedded farm: pages, Celery, housekeeping and SQLite in one process, and one local worker beside it.

uvicorn runs in the main thread without its own signal handling (it raises SIGTERM again and skips what follows).
Whoever ends this process finds nothing left after five seconds; the next start goes on where this one stopped.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from celery.worker import WorkController
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from farm.celery import app as celery_app
from qbcore import housekeeping, permissions
from qbcore.errors import QubeError
from qbcore.hosts import active_hosts
from qbcore.remote.address import parse_address
from qbcore.remote.credentials import token_for, write_credentials
from qbcore.writing import clock

log = logging.getLogger("farm.embedded")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE = 3.5
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class CannotStartError(Exception):
    """The farm cannot start; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the farm listens and keeps its data."""

    host: str
    port: int
    data: Path

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{'127.0.0.1' if self.host in ('0.0.0.0', '::') else host}:{self.port}/"


class Server(uvicorn.Server):
    """uvicorn, whose signals are ours."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(place: Place) -> socket.socket:
    """The listening socket, or a clear sentence."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    # asyncio sends small answers at once only on sockets that say they are TCP: 4 ms an answer instead of 48.
    server = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((place.host, place.port))
        server.listen(2048)
    except OSError as wrong:
        server.close()
        if wrong.errno == errno.EADDRINUSE:
            raise CannotStartError(
                f"port {place.port} of {place.host} is taken: stop what listens there (another farm?) or set FARM_PORT"
            ) from wrong
        raise CannotStartError(
            f"cannot listen on {place.host}:{place.port}: {wrong.strerror}. Set FARM_BIND and FARM_PORT"
        ) from wrong
    return server


def prepare(place: Place) -> None:
    """Database and admin are there; a farm that others can reach has a password."""
    call_command("migrate", verbosity=0, interactive=False)
    password = os.environ.get("FARM_ADMIN_PASSWORD") or None
    admin = permissions.ensure_user("admin", role="admin", password=password)
    if place.host not in LOOPBACK and not admin.has_usable_password():
        raise CannotStartError(
            f"FARM_BIND={place.host} lets others in, and admin has no password: set FARM_ADMIN_PASSWORD once, "
            "or leave FARM_BIND at 127.0.0.1"
        )
    keep_credentials(place, admin)


def _forget_password(listening: socket.socket) -> None:
    """Starts anew without the password: jobs run as the same account and could read this process's environment."""
    if os.environ.pop("FARM_ADMIN_PASSWORD", ""):
        listening.close()
        os.execv(sys.executable, [sys.executable, *sys.argv])


def keep_credentials(place: Place, admin: Any) -> None:
    """Scripts of this account reach this farm without further ado; a token that still works is kept."""
    try:
        token, _ = token_for(parse_address(place.url))
    except QubeError:
        token = ""
    if not token or permissions.actor_for_token(token) is None:
        token = permissions.new_token(admin, label="scripts on this machine")
    write_credentials(place.url, token, default=True)


class LocalWorker:
    """The worker process of this machine: started when the site listens, started again when it dies."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="local-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            process = self._start()
            code = process.wait() if process else 0
            if self._stop.is_set():
                return
            lived = time.monotonic() - began
            pause = SHORTEST_PAUSE if lived > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
            log.warning("the worker ended with code %s after %.0f s: started again in %.0f s", code, lived, pause / 2)
            self._stop.wait(pause / 2)

    def _start(self) -> subprocess.Popen[bytes] | None:
        """The process, not started any more once it is to stop: it would be left behind."""
        command = self._command()
        with self._starting:
            if not self._stop.is_set():
                self._process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=self._environment())
            return self._process

    def _command(self) -> list[str]:
        """The join file is written anew when the worker has not joined yet: a join token works once."""
        state = self._place.data / "worker"
        state.mkdir(mode=0o700, exist_ok=True)
        join = state / "join"
        if not (state / "host.json").exists():
            handle = os.open(join, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(permissions.new_join_token(host=socket.gethostname()))
            connection.close()
        return [
            sys.executable, "-m", "qbcore.worker", "--name", socket.gethostname(), "--join", str(join),
            "--supervisor", self._place.url, "--state", str(state), "--allow-root", "--parent", str(os.getpid()),
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        """The farm's secrets stay here: a worker needs none of them."""
        hidden = ("FARM_", "DATABASE_URL", "REDIS_URL", "QB_")
        own = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        roots = os.environ.get("FARM_OUTPUT_ROOTS", str(Path.home()))
        return {**own, "FARM_JOBTYPES": os.environ.get("FARM_JOBTYPES", ""), "FARM_OUTPUT_ROOTS": roots}

    def stop(self, deadline: float) -> None:
        with self._starting:
            self._stop.set()
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


class Celery:
    """Celery's worker as a thread of this process, on an in-memory broker."""

    def __init__(self) -> None:
        self._controller = WorkController(
            app=celery_app, pool_cls="threads", concurrency=2, queues=["bulk", "quick"], loglevel="WARNING",
            without_gossip=True, without_mingle=True, without_heartbeat=True, hostname="embedded@localhost",
        )  # fmt: skip
        self._thread = threading.Thread(target=self._controller.start, name="celery", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._controller.stop(in_sighandler=False)


class Farm:
    """All parts, started in order and stopped within GRACE."""

    def __init__(self, place: Place, listening: socket.socket) -> None:
        self._place, self._listening = place, listening
        config = uvicorn.Config(
            "farm.asgi:application",
            log_level="warning",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            ws="websockets-sansio",
        )
        self._server = Server(config)
        self._worker = LocalWorker(place)
        self._stop = threading.Event()
        self._asked = asyncio.Event()
        self._began = clock()
        self._housekeeping = threading.Thread(
            target=housekeeping.run, args=[self._stop], name="housekeeping", daemon=True
        )

    def run(self) -> int:
        """Until a signal says stop, also when SIGINT or SIGTERM were inherited as ignored; the exit code."""
        return asyncio.run(self._serve())

    async def _serve(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked.set)
        serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        celery = await asyncio.to_thread(Celery)
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.02)
        celery.start()
        self._housekeeping.start()
        self._worker.start()
        threading.Thread(target=self._announce, name="announce", daemon=True).start()
        asked = asyncio.create_task(self._asked.wait())
        await asyncio.wait([asked, serving], return_when=asyncio.FIRST_COMPLETED)
        await self._end(serving, celery)
        if self._asked.is_set():
            return 0
        log.error("the site has ended by itself", exc_info=serving.exception())
        return 1

    async def _end(self, serving: asyncio.Task[None], celery: Celery) -> None:
        """The worker goes first, while the site still answers it: it hands its frames back."""
        deadline = time.monotonic() + GRACE
        self._stop.set()
        await asyncio.to_thread(self._worker.stop, deadline)
        self._server.should_exit = True
        await asyncio.wait([serving], timeout=1.5)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(celery.stop), 0.5)

    def _announce(self) -> None:
        """Says that the farm is ready once its worker is and somebody keeps house, and how to sign in."""
        while not self._stop.wait(0.1):
            if active_hosts(since=self._began) and housekeeping.ticking():
                break
        else:
            return
        admin = get_user_model().objects.get(username="admin")
        lines = [f"Farm ready at {self._place.url}"]
        if not admin.has_usable_password():
            token = permissions.new_token(admin, label="sign-in link", purpose="signin", days=1)
            lines.append(f"Sign in once at {self._place.url}signin/{token}")
        connection.close()
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def main() -> int:
    """Runs the farm; the exit code."""
    place = Place(settings.FARM_BIND, settings.FARM_PORT, settings.FARM_DATA)
    try:
        listening = listen(place)
        prepare(place)
        _forget_password(listening)
    except CannotStartError as why:
        sys.stderr.write(f"The farm cannot start: {why}.\n")
        return 2
    code = Farm(place, listening).run()
    os._exit(code)  # threads of libraries must not hold what has stopped
