"""ping: a yes or no about a supervisor, without a token and without an exception."""

from __future__ import annotations

from typing import Any

import pytest

import qb
from tests.qbcore.remote import supervisor as answers
from tests.qbcore.remote.supervisor import Supervisor


def test_ping_says_yes_without_sending_any_token(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QB_TOKEN", "qbu_secret")
    farm.answers.append(answers.result({"supervisor": "ours", "version": "1"}))
    assert qb.ping() is True
    assert "Authorization" not in farm.asked[0].headers


def test_ping_as_dict_gives_what_the_supervisor_says_of_itself(farm: Supervisor) -> None:
    farm.answers.append(answers.result({"supervisor": "ours", "version": "1"}))
    assert qb.ping(asDict=True) == {"alive": True, "url": farm.url, "supervisor": "ours", "version": "1"}


def test_ping_asks_the_host_and_port_it_is_given(farm: Supervisor, stranger: Supervisor) -> None:
    assert qb.ping(host="127.0.0.1", port=stranger.port)
    assert qb.ping(supervisor=stranger.url)
    assert qb.ping(port=stranger.port)
    assert (stranger.names(), farm.names()) == (["ping"] * 3, [])


@pytest.mark.parametrize(
    "asked",
    [
        {"host": "127.0.0.1", "port": 1},
        {"host": "no such host"},
        {"host": "127.0.0.1", "port": 99999},
        {"host": "127.0.0.1", "port": "http"},
        {"supervisor": "ftp://files"},
        {"timeout": -1},
        {},
    ],
)
def test_ping_never_raises_and_leaves_the_reason_in_error(asked: dict[str, Any]) -> None:
    assert qb.ping(**asked) is False
    reason = qb.error()
    assert reason
    silent = qb.ping(**asked, asDict=True)
    assert isinstance(silent, dict)
    assert (silent["alive"], silent["error"]) == (False, reason)


def test_ping_gives_up_after_its_own_timeout(farm: Supervisor) -> None:
    farm.answers.append(answers.hang)
    assert qb.ping(timeout=0.05) is False
    assert "nothing came within 0.05 s" in qb.error()
