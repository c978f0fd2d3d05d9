"""PostgreSQL is started again while the farm writes: what was not committed is done again, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from qbcore.models import DutyRow
from qbcore.writing import clock, writing

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def backend() -> int:
    """The server's process behind this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def end(pid: int) -> None:
    """Ends it as a restart would, and returns once it is gone."""
    told = connection.settings_dict
    words = {"host": told["HOST"], "port": told["PORT"], "user": told["USER"], "password": told["PASSWORD"]}
    with psycopg.connect(dbname=told["NAME"], autocommit=True, **words) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])


def duties() -> list[str]:
    return list(DutyRow.objects.order_by("name").values_list("name", flat=True))


def ending_at_first(then: Callable[[], object]) -> tuple[Callable[[], int], list[int]]:
    """A write that loses its connection the first time; how often it ran is in the list."""
    runs: list[int] = []

    @writing
    def write() -> int:
        runs.append(backend())
        DutyRow.objects.create(name=f"run {len(runs)}")
        if len(runs) == 1:
            end(runs[0])
        then()
        return len(runs)

    return write, runs


def test_a_write_whose_connection_breaks_is_done_again_on_another_one() -> None:
    write, runs = ending_at_first(clock)
    assert write() == 2
    assert duties() == ["run 2"], "nothing of the first try is there"
    assert len(set(runs)) == 2


def test_a_write_is_done_again_when_its_connection_breaks_in_an_inner_block() -> None:
    def inner() -> None:
        with transaction.atomic():
            clock()

    write, runs = ending_at_first(inner)
    assert (write(), duties(), len(set(runs))) == (2, ["run 2"], 2)


def test_a_connection_that_broke_while_nobody_used_it_is_not_noticed_by_who_writes_next() -> None:
    end(backend())
    writing(lambda: DutyRow.objects.create(name="next"))()
    assert duties() == ["next"]


def test_a_commit_whose_answer_never_came_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been done: to do it again could do it twice."""
    commit, runs = connection._commit, []

    def lost() -> None:
        commit()
        end(backend())
        raise OperationalError("the answer to the commit was lost")

    monkeypatch.setattr(connection, "_commit", lost)

    @writing
    def write() -> None:
        runs.append(DutyRow.objects.create(name=f"run {len(runs)}"))

    with pytest.raises(OperationalError):
        write()
    monkeypatch.undo()
    assert (duties(), len(runs)) == (["run 0"], 1)


def test_an_error_of_the_database_on_a_connection_that_is_well_is_told() -> None:
    runs: list[Any] = []

    @writing
    def write() -> None:
        runs.append(backend())
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '10ms'")
            cursor.execute("SELECT pg_sleep(5)")

    with pytest.raises(OperationalError, match="statement timeout"):
        write()
    assert len(runs) == 1
