"""The one way to write: in turns, all or nothing, and again when the database asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection, transaction

from qbcore.models import CounterRow
from qbcore.writing import REPEATS, Turns, writing


class Asked(Exception):  # noqa: N818 -- what the driver says
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def failing(sqlstate: str, times: int) -> Callable[[], int]:
    """Writes a row, then fails so many times; answers how often it was called."""
    calls: list[int] = []

    @writing
    def act() -> int:
        CounterRow.objects.create(name=f"row {len(calls)}")
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError from Asked(sqlstate)
        return len(calls)

    return act


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_a_deadlock_is_repeated_and_leaves_nothing_of_the_first_try(sqlstate: str) -> None:
    assert failing(sqlstate, times=2)() == 3
    assert list(CounterRow.objects.values_list("name", flat=True)) == ["row 2"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("sqlstate", "times"), [("57014", 1), ("40P01", REPEATS)])
def test_other_errors_and_too_many_are_raised(sqlstate: str, times: int) -> None:
    with pytest.raises(OperationalError):
        failing(sqlstate, times)()
    assert not CounterRow.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_inside_another_transaction_the_outermost_repeats() -> None:
    inner = failing("40P01", times=1)
    tries: list[int] = []

    @writing
    def outer() -> int:
        tries.append(1)
        return inner()

    assert (outer(), len(tries)) == (2, 2)
    assert CounterRow.objects.count() == 1


@pytest.mark.django_db
def test_a_part_that_is_refused_leaves_the_rest_of_the_transaction() -> None:
    @writing
    def part() -> None:
        CounterRow.objects.create(name="part")
        raise ValueError

    with transaction.atomic():
        CounterRow.objects.create(name="whole")
        with pytest.raises(ValueError):
            part()
    assert list(CounterRow.objects.values_list("name", flat=True)) == ["whole"]


@pytest.mark.django_db(transaction=True)
def test_every_write_is_in_a_transaction() -> None:
    @writing
    def inside() -> bool:
        return connection.in_atomic_block

    assert inside()
    assert not connection.in_atomic_block


def test_who_came_first_writes_first() -> None:
    turns, order, waiting = Turns(), list[int](), list[threading.Thread]()

    def take(number: int) -> None:
        with turns.taken():
            order.append(number)

    with turns.taken():
        for number in range(8):
            waiting.append(threading.Thread(target=take, args=[number]))
            waiting[-1].start()
            while len(turns._waiting) <= number:
                pass
    for thread in waiting:
        thread.join(10)
    assert order == list(range(8))


def test_a_turn_may_nest_and_is_given_back_after_an_error() -> None:
    turns = Turns()
    with pytest.raises(ValueError), turns.taken(), turns.taken():
        raise ValueError
    done = threading.Event()

    def other() -> None:
        with turns.taken():
            done.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert done.wait(10)
    thread.join()


def test_only_one_thread_has_the_turn() -> None:
    turns, inside, most = Turns(), list[int](), list[int]()

    def work() -> None:
        for _ in range(200):
            with turns.taken():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(most), max(most)) == (1200, 1)
