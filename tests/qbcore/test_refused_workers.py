"""A worker that is refused reads why, and once what to do: its own words add none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qbcore import hosts, permissions
from qbcore.errors import QubeError
from tests.hand import Hand

pytestmark = pytest.mark.django_db(transaction=True)


def used_token() -> Any:
    token = permissions.new_join_token()
    hosts.join({"name": "first", "token": token, "protocol": 2})
    return hosts.join({"name": "second", "token": token, "protocol": 2})


def living_name() -> Any:
    Hand("render-01")
    return hosts.join({"name": "render-01", "token": permissions.new_join_token(), "protocol": 2})


def second_worker() -> Any:
    said = {"protocol": 2, "session": "b" * 32, "facts": {"os": "Linux", "slots": 1}, "held": {}}
    return hosts.hello(Hand("render-01").id, said)


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (used_token, "this join token is unknown, used or expired: make a new one with manage.py jointoken"),
    (living_name, "a worker of the name render-01 is alive: stop it first, or choose another name"),
    (second_worker, "another live worker speaks for render-01: stop it, or join this one under another name"),
    (lambda: hosts.host_for_token("qbh_x"), "this is no host's token: join again with a new join token"),
    (
        lambda: hosts.join({"name": "a", "token": "x", "protocol": 9}),
        "this supervisor speaks the protocols 1 to 2, the worker 9: install an older release there",
    ),
    (
        lambda: hosts.join({"name": "a b", "token": "x", "protocol": 2}),
        "name: 'a b' is no name for a host. Use letters, digits, '.', '-' and '_'.",
    ),
]


@pytest.mark.parametrize(
    ("ask", "sentence"), REFUSALS, ids=["token", "name", "second", "host token", "version", "text"]
)
def test_what_is_wrong_and_what_to_do_are_said_once(ask: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(QubeError) as refused:
        ask()
    assert str(refused.value) == sentence
