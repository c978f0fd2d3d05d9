"""The cast: alice (operator), bob (artist, owns the jobs), carol (looks only), and a browser for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.make import make_user

ROLES = {"alice": "operator", "bob": "artist", "carol": "viewer"}
Browser = Callable[[str], Client]


@pytest.fixture
def browser(db: None) -> Browser:
    """browser("alice") is a signed-in client; each person has one."""
    clients: dict[str, Client] = {}

    def of(name: str) -> Client:
        if name not in clients:
            clients[name] = Client()
            clients[name].force_login(make_user(name, ROLES[name]), backend="django.contrib.auth.backends.ModelBackend")
        return clients[name]

    return of


@pytest.fixture
def alice(browser: Browser) -> Client:
    return browser("alice")


@pytest.fixture
def bob(browser: Browser) -> Client:
    return browser("bob")


@pytest.fixture
def carol(browser: Browser) -> Client:
    return browser("carol")
