"""The private servers: they keep their data over a kill, and nothing of them stays behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests import servers

SCRIPT = Path(servers.__file__)
pytestmark = pytest.mark.e2e


def test_a_killed_postgres_starts_again_with_what_was_committed(postgres_server: servers.Postgres) -> None:
    url = postgres_server.create_database("kept")
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 7 as number")
    postgres_server.kill()
    postgres_server.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("select number from kept").fetchone() == (7,)


def test_redis_takes_nobody_without_the_password(redis_server: servers.Redis) -> None:
    assert redis.Redis.from_url(redis_server.url()).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=redis_server.port).ping()


def test_a_command_gets_both_addresses_and_its_exit_code_is_kept() -> None:
    command = [sys.executable, "-c", "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL']); exit(7)"]
    run = subprocess.run([sys.executable, SCRIPT, "--", *command], capture_output=True, text=True, check=False)
    assert run.returncode == 7
    database, broker = run.stdout.split()
    assert database.startswith("postgresql://")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database, connect_timeout=2)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(broker).ping()


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, SCRIPT, "--", "true"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == os.EX_UNAVAILABLE
    assert re.fullmatch(r"(\S+) is not installed: `apt-get install (\1|postgresql)`\n", run.stderr)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A short folder that the user postgres may enter (pytest's own are private to root)."""
    made = Path(tempfile.mkdtemp(prefix="qbfarm-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_servers_end_with_whoever_asked_for_them(how: signal.Signals, temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, text=True, env=environment) as asked:
        assert asked.stdout
        database, _broker = (asked.stdout.readline().strip().partition("=")[2] for _name in range(2))
        assert answers(database)
        os.kill(asked.pid, how)
    deadline = time.monotonic() + 10
    while answers(database) or list(temporary.glob("*/data/postmaster.pid")):
        assert time.monotonic() < deadline
    assert how is signal.SIGKILL or not list(temporary.iterdir())
