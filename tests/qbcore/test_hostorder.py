"""hostorder: which host a job would take first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.errors import BadExpression
from qbcore.hostorder import Preference, parse_hostorder

names = st.sampled_from(["host.speed", "host.processors.avail", "host.memory.used", "host.gpu-kind"])
values = st.none() | st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["a", "ab", "abc", "b", "", "7"])


def test_without_a_sign_the_largest_is_first() -> None:
    assert parse_hostorder("host.speed, -host.processors.used,+HOST.memory.avail") == (
        Preference("host.speed", largest=True),
        Preference("host.processors.used", largest=False),
        Preference("host.memory.avail", largest=True),
    )
    assert parse_hostorder(" ") == ()


@pytest.mark.parametrize(
    ("sign", "expected"), [("+", [9, "7", 2, "b", "abc", "ab", None]), ("-", [2, "7", 9, "ab", "abc", "b", None])]
)
def test_numbers_come_before_texts_and_what_is_lacking_comes_last(sign: str, expected: list[Any]) -> None:
    (preference,) = parse_hostorder(f"{sign}host.x")
    found = sorted(["ab", None, 2, "b", "7", "abc", 9], key=lambda value: preference.key({"host.x": value}))
    assert found == expected


@given(values, values)
def test_two_values_stand_the_other_way_round_under_the_other_sign(one: Any, two: Any) -> None:
    up, down = Preference("host.x", largest=False), Preference("host.x", largest=True)
    kinds = {up.key({"host.x": value})[0] for value in (one, two)}
    before, after = ((order.key({"host.x": one}), order.key({"host.x": two})) for order in (up, down))
    assert len(kinds) == 2 or (before[0] < before[1]) == (after[0] > after[1])


@given(st.lists(st.builds(Preference, names, st.booleans())))
def test_printing_and_reading_again_changes_nothing(preferences: list[Preference]) -> None:
    assert parse_hostorder(",".join(map(str, preferences))) == tuple(preferences)


@pytest.mark.parametrize(
    ("text", "position"), [("speed", 0), ("host.speed, job.x", 12), ("host.speed,", 11), ("--host.x", 0), ("host.", 0)]
)
def test_what_gives_no_order_is_refused_with_its_place(text: str, position: int) -> None:
    with pytest.raises(BadExpression, match="gives no order") as caught:
        parse_hostorder(text)
    assert caught.value.position == position
    assert "host.<property>" in caught.value.hint
