"""Reservations: what is read, what is taken, and why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.errors import BadExpression
from qbcore.reservations import Reservation, fit, parse_reservations, per_subjob

FREE = {"host.processors": 5.0, "host.memory": 3000.0, "license.maya": 1.0}
TOTAL = {"host.processors": 8.0, "host.memory": 16000.0}


@st.composite
def reservations(draw: st.DrawFn) -> Reservation:
    scope = draw(st.sampled_from(["host", "global", "license"]))
    name = draw(st.sampled_from(["processors", "memory", "maya.batch", "x-1", "Nuke"]))
    low, more = draw(st.integers(0, 20)), draw(st.integers(0, 5))
    if draw(st.booleans()):
        return Reservation(scope, name, low, low + more)
    return Reservation(scope, name, low, None, all_free=True, exclusive=scope == "host" and draw(st.booleans()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("host.processors", [Reservation("host", "processors", 1, 1)]),
        ("host.processors=3", [Reservation("host", "processors", 3, 3)]),
        ("host.processors=1+", [Reservation("host", "processors", 1, None, all_free=True)]),
        ("host.processors=2*", [Reservation("host", "processors", 2, None, all_free=True, exclusive=True)]),
        ("host.processors=ALL", [Reservation("host", "processors", 1, None, all_free=True, exclusive=True)]),
        ("host.processors=2-4", [Reservation("host", "processors", 2, 4)]),
        (
            " HOST.memory = 4000 , global.x=1,license.Maya ",
            [
                Reservation("host", "memory", 4000, 4000),
                Reservation("global", "x", 1, 1),
                Reservation("license", "Maya", 1, 1),
            ],
        ),
    ],
)
def test_every_amount_is_read(text: str, expected: list[Reservation]) -> None:
    assert parse_reservations(text) == tuple(expected)


@given(st.lists(reservations(), unique_by=lambda one: one.resource))
def test_printing_and_reading_again_changes_nothing(wanted: list[Reservation]) -> None:
    assert parse_reservations(",".join(map(str, wanted))) == tuple(wanted)


def test_a_subjob_takes_a_slot_unless_its_job_says_how_many() -> None:
    slot = Reservation("host", "processors", 1, 1)
    assert per_subjob("") == (slot,)
    assert per_subjob("license.maya=1") == (slot, Reservation("license", "maya", 1, 1))
    assert per_subjob("host.processors=0") == (Reservation("host", "processors", 0, 0),)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("host.processors=2", {"host.processors": 2}),
        ("host.processors=1+", {"host.processors": 5}),
        ("host.processors=2-4", {"host.processors": 4}),
        ("host.processors=2-9", {"host.processors": 5}),
        ("host.processors=1,license.maya", {"host.processors": 1, "license.maya": 1}),
        ("host.processors=0", {"host.processors": 0}),
    ],
)
def test_what_fits_is_taken(text: str, taken: dict[str, float]) -> None:
    assert fit(parse_reservations(text), FREE, TOTAL, idle=False) == taken


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host.processors=6", "needs host.processors=6, r1 has 5 free"),
        ("host.processors=6+", "needs host.processors=6+, r1 has 5 free"),
        ("host.processors=9", "needs host.processors=9, r1 has only 8"),
        ("host.processors=1,host.memory=4000", "needs host.memory=4000, r1 has 3000 free"),
        ("host.processors=all", "needs host.processors=1*, and r1 is not idle"),
        ("host.gpus=1", "needs host.gpus=1, and r1 has no host.gpus"),
        ("license.maya=2", "needs license.maya=2, the farm has 1 free"),
        ("license.nuke", "needs license.nuke=1, and the farm has no license.nuke"),
    ],
)
def test_what_does_not_fit_takes_nothing_and_says_why(text: str, why: str) -> None:
    assert fit(parse_reservations(text), FREE, TOTAL, idle=False, host="r1") == why


def test_an_idle_host_is_taken_whole() -> None:
    assert fit(parse_reservations("host.processors=1*"), TOTAL, TOTAL, idle=True) == {"host.processors": 8}


@given(st.lists(reservations(), unique_by=lambda one: one.resource), st.booleans())
def test_never_is_more_taken_than_is_free_nor_less_than_asked(wanted: list[Reservation], idle: bool) -> None:
    free = {one.resource: float(number * 4) for number, one in enumerate(wanted)}
    taken = fit(wanted, free, free, idle)
    short = any(free[one.resource] < one.low or (one.exclusive and not idle) for one in wanted)
    assert isinstance(taken, str) == short
    if not isinstance(taken, str):
        assert list(taken) == [one.resource for one in wanted]
        assert all(one.low <= taken[one.resource] <= free[one.resource] for one in wanted)
        assert all(one.high is None or taken[one.resource] <= one.high for one in wanted)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("processors=1", 0, "'processors=1' reserves nothing known"),
        ("host.processors=1, maya=1", 19, "'maya=1' reserves nothing known"),
        ("host.processors=1,", 17, "a reservation is missing after the comma"),
        ("host.processors=1,,host.memory=1", 18, "a reservation is missing"),
        ("host.processors=two", 16, "'two' is no amount"),
        ("host.processors=4.5", 16, "'4.5' is no amount"),
        ("host.processors=-1", 16, "'-1' is no amount"),
        ("host.processors=", 16, "'' is no amount"),
        ("host.processors 2", 15, "'2' after host.processors"),
        ("host.processors=4-2", 16, "4-2 ends before it begins"),
        ("license.maya=1*", 13, "license.maya cannot be idle"),
        ("host.memory=1,host.memory=2", 14, "host.memory is reserved twice"),
    ],
)
def test_a_malformed_reservation_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_reservations(text)
    assert (caught.value.position, caught.value.message, caught.value.field) == (position, said, "reservations")
    assert caught.value.hint
