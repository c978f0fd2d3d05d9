"""What every test gets: an empty home, the private servers, and the rules for programs that are not installed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django
from django.test import override_settings
from hypothesis import HealthCheck, settings

from farm.settings import channel_layers
from qbcore import dispatch, filling, firings, folding, logs
from tests import servers, skips

# A test must not read the credentials of the person who runs it, nor touch or talk to their farm.
HOME = tempfile.mkdtemp(prefix="qbfarm-home-")
os.environ.update(HOME=HOME, XDG_CONFIG_HOME=f"{HOME}/.config", FARM_DATA=f"{HOME}/data")
for name in [name for name in os.environ if name.startswith("QB_")]:
    del os.environ[name]

# A busy machine is no reason to fail: properties are about answers, not about time.
settings.register_profile("farm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("farm")

DATABASE_FIXTURES = {
    "db",
    "transactional_db",
    "django_db_reset_sequences",
    "django_db_serialized_rollback",
    "live_server",
}


def on_postgres() -> bool:
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


def installed(name: str, package: str) -> str:
    try:
        return servers.program(name, package=package)
    except servers.MissingProgramError as error:
        pytest.skip(str(error))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database-only", action="store_true", help="run only the tests that touch a database")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(skips)


def touches_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("django_db") or item.get_closest_marker("postgres"):
        return True
    return bool(DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--database-only"):
        return
    others = [item for item in items if not touches_database(item)]
    items[:] = [item for item in items if touches_database(item)]
    config.hook.pytest_deselected(items=others)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("postgres") and not on_postgres():
        pytest.skip("needs PostgreSQL: run it as `python tests/servers.py -- python -m pytest ...`")
    if item.get_closest_marker("browser"):
        installed("chromium", "chromium")


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def farm_data() -> Iterator[Path]:
    """The folder where the farm under test keeps logs and archives (settings were read before this file was)."""
    folder = Path(HOME) / "data"
    folder.mkdir(mode=0o700, exist_ok=True)
    with override_settings(FARM_DATA=folder, **own_redis()):
        yield folder


def own_redis() -> dict[str, Any]:
    """Processes of tests that run beside each other (xdist) have a database of Redis each, and its hints."""
    if not django.REDIS_URL:
        return {}
    server, _, _ = django.REDIS_URL.rpartition("/")
    url = f"{server}/{os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')}"
    os.environ["REDIS_URL"] = url  # what a test starts talks there, too
    return {"REDIS_URL": url, "CELERY_BROKER_URL": url, "CHANNEL_LAYERS": channel_layers(url)}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """A private PostgreSQL that a test may stop, kill and start again; `create_database` gives an empty one."""
    installed("initdb", "postgresql")
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: servers.Postgres) -> str:
    return postgres_server.url()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.Redis]:
    """A private Redis that a test may flush, kill and start again."""
    installed("redis-server", "redis-server")
    with servers.redis() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(redis_server: servers.Redis) -> str:
    return redis_server.url()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's Chromium, for Playwright's `executable_path`."""
    return Path(installed("chromium", "chromium"))


@pytest.fixture(scope="session")
def povray() -> Path:
    """A real renderer."""
    return Path(installed("povray", "povray"))


@pytest.fixture(autouse=True)
def folds_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests fold when they say so: a thread that outlives its test would write into the next one's database."""
    monkeypatch.setattr(folding.folder, "add", lambda job: None)
    monkeypatch.setattr(filling.filler, "add", lambda job: None)
    monkeypatch.setattr(firings.carrier, "add", lambda firing: None)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process keeps of the database between transactions is of the test before: ids may come again."""
    dispatch.waiting.reload()
    logs.place.cache_clear()
