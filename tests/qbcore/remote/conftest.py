"""A farm with credentials, a stranger without, and a client that knows nothing of the test before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import qb
from qbcore.remote import client, write_credentials
from qbcore.remote.transport import set_transport
from tests.qbcore.remote import supervisor as answers
from tests.qbcore.remote.supervisor import Supervisor


@pytest.fixture(autouse=True)
def fresh_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("QB_SUPERVISOR", raising=False)
    monkeypatch.delenv("QB_TOKEN", raising=False)
    before = set_transport()
    yield
    set_transport(before)
    qb.setsupervisor(None)
    qb.settimeout(client.DEFAULT_TIMEOUT)
    client.close()


@pytest.fixture
def farm() -> Iterator[Supervisor]:
    """A supervisor whose credentials are the default ones."""
    with answers.running() as supervisor:
        write_credentials(supervisor.url, "qbu_ours")
        yield supervisor
        client.close()


@pytest.fixture
def stranger() -> Iterator[Supervisor]:
    """A supervisor for which there are no credentials."""
    with answers.running() as supervisor:
        yield supervisor
        client.close()
