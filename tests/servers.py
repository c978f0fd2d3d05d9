"""Private PostgreSQL and Redis servers for tests and developers: own folder, own free port, gone afterwards.

    python tests/servers.py -- COMMAND ...   run COMMAND with DATABASE_URL and REDIS_URL pointing at them
    python tests/servers.py                  print both addresses and serve until Ctrl-C

Standard library only, so that it runs before anything of the project can be imported.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

START_SECONDS = 30.0
STOP_SECONDS = 15.0
SOCKET_PATH_LIMIT = 100


class MissingProgramError(RuntimeError):
    """A server program is not installed; the text names the Debian package."""


def program(name: str, *, package: str) -> str:
    """The path of an installed program, Debian's versioned PostgreSQL folders included."""
    versioned = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = str(versioned[-1]) if versioned else shutil.which(name)
    if not found:
        raise MissingProgramError(f"{name} is not installed: `apt-get install {package}`")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns once `ready` holds; raises with the server's own words when it ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def dies_with_parent(command: list[str], *, by: str, user: str = "") -> list[str]:
    """The command as `user`, ended by signal `by` when this process dies, however it dies (Linux)."""
    setpriv = shutil.which("setpriv")
    if not setpriv:
        return command
    switch = ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--init-groups"] if user else []
    return [setpriv, *switch, "--pdeathsig", by, "--", *command]


class Server:
    """A server process in a folder of its own. `stop` and `kill` keep the data; `start` goes on where it stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with self.log.open("ab") as log:
            # Not with what a test has set for its scripts: by that the processes of a farm are told from others.
            env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=env
            )
        wait_until(self.ready, self.process, self.log)

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Ends the server with one signal and waits for it; both servers take SIGINT as a quick clean stop."""
        if self.process is None:
            return
        self.process.send_signal(by)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """Ends the server as a power cut would."""
        self.stop(signal.SIGKILL)


class Postgres(Server):
    """PostgreSQL without durability (tests only). As root it runs as the user `postgres`, as it insists."""

    user = "farm"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.owner = "postgres" if os.geteuid() == 0 else ""
        self.data = folder / "data"
        self.password = secrets.token_hex(16)
        if self.owner:
            shutil.chown(folder, self.owner)

    def url(self, database: str = "farm") -> str:
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        sockets = self.folder if len(str(self.folder)) < SOCKET_PATH_LIMIT - len("/.s.PGSQL.65535") else ""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": sockets,
            "max_connections": 200,
            "fsync": "off",
            "full_page_writes": "off",
            "jit": "off",
        }
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        server = program("postgres", package="postgresql")
        return dies_with_parent([server, "-D", str(self.data), *given], by="INT", user=self.owner)

    def initialise(self) -> None:
        """Makes the cluster and an empty database `farm`, then leaves the server running."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o600)
        if self.owner:
            shutil.chown(secret, self.owner)
        initdb = program("initdb", package="postgresql")
        options = ["--encoding=UTF8", "--no-locale", "--no-sync", "--auth=scram-sha-256"]
        self.tool([initdb, "-D", str(self.data), "-U", self.user, f"--pwfile={secret}", *options])
        self.start()
        self.create_database("farm")

    def create_database(self, name: str) -> str:
        """Makes an empty database and gives its URL."""
        createdb = program("createdb", package="postgresql")
        self.tool([createdb, "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-w", name])
        return self.url(name)

    def tool(self, command: list[str]) -> None:
        run = subprocess.run(
            dies_with_parent(command, by="TERM", user=self.owner),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "PGPASSWORD": self.password},
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(f"{Path(command[0]).name} failed: {run.stderr.decode(errors='replace').strip()}")

    def ready(self) -> bool:
        check = [program("pg_isready", package="postgresql"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(check, check=False).returncode == 0


class Redis(Server):
    """Redis without persistence, behind a password (kept out of its arguments)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.password = secrets.token_hex(16)

    def url(self, number: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{number}"

    def command(self) -> list[str]:
        config = self.folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f'bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\nsave ""\nappendonly no\n'
            f"dir {self.folder}\ndaemonize no\n"
        )
        server = program("redis-server", package="redis-server")
        return dies_with_parent([server, str(config)], by="TERM")

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False


@contextmanager
def folder(prefix: str) -> Iterator[Path]:
    """A short private folder (a socket's path is at most about 100 characters long)."""
    made = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    with folder("qbfarm-pg-") as home:
        server = Postgres(home)
        try:
            server.initialise()
            yield server
        finally:
            server.stop()


@contextmanager
def redis() -> Iterator[Redis]:
    with folder("qbfarm-redis-") as home:
        server = Redis(home)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def run(command: list[str], environment: dict[str, str]) -> int:
    """Runs the command to its end. A signal that ends us ends it too: Ctrl-C reaches it by itself."""
    with subprocess.Popen(command, env={**os.environ, **environment}) as child:
        try:
            return child.wait()
        except BaseException as reason:
            if not isinstance(reason, KeyboardInterrupt):
                child.terminate()
            child.wait(STOP_SECONDS)
            raise


def end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it as ignored
    try:
        program("initdb", package="postgresql")
        program("redis-server", package="redis-server")
        with postgres() as database, redis() as broker:
            environment = {"DATABASE_URL": database.url(), "REDIS_URL": broker.url()}
            if command:
                return run(command, environment)
            sys.stdout.write("".join(f"export {name}={value}\n" for name, value in environment.items()))
            sys.stdout.flush()
            signal.pause()
    except MissingProgramError as missing:
        sys.stderr.write(f"{missing}\n")
        return os.EX_UNAVAILABLE
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
