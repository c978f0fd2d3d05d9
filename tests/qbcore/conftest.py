"""Processes that race for one database, for the tests that ask for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.racers import Racer, at_once, racers


@pytest.fixture(scope="session")
def processes(django_db_setup: None) -> Iterator[list[Racer]]:
    """Eight, on the database of this process's tests, from the first test that lets them race to the last test."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    with racers(8, f"{server}/{connection.settings_dict['NAME']}") as found:
        yield found


@pytest.fixture
def eight(processes: list[Racer], transactional_db: None) -> list[Racer]:
    """They know nothing of the test before: the database is empty again."""
    at_once(processes, "forget")
    return processes
