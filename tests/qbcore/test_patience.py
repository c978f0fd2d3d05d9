"""A job's process asks on while its supervisor is away, and only a job's process does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import qb
from qbcore.remote.transport import set_transport
from qbcore.surface import backend


class Away:
    """A supervisor that does not answer so many times, then does."""

    def __init__(self) -> None:
        self.silent = 0
        self.asked: list[str] = []

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.asked.append(name)
        if len(self.asked) <= self.silent:
            raise qb.Unreachable("it does not answer")
        return True if name == "reportjob" else {"id": 7}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[Away]:
    monkeypatch.setattr(backend, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setenv("QBJOBID", "250")
    one = Away()
    before = set_transport(one)
    yield one
    set_transport(before)


@pytest.mark.parametrize(
    "ask", [qb.jobobj, qb.requestwork, lambda: qb.reportwork({"id": 7}), lambda: qb.reportjob("complete")]
)
def test_a_process_of_a_job_asks_until_it_is_answered(away: Away, ask: Any) -> None:
    away.silent = 3
    assert ask()
    assert len(away.asked) == 4


def test_a_script_is_told_at_once(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QBJOBID")
    away.silent = 3
    with pytest.raises(qb.Unreachable):
        qb.requestwork()
    assert away.asked == ["requestwork"]


def test_patience_has_an_end(away: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "PATIENCE", -1.0)
    away.silent = 3
    with pytest.raises(qb.Unreachable):
        qb.requestwork()
    assert away.asked == ["requestwork"]
