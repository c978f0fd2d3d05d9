"""What crosses the wire comes out as it went in, or is refused with its reason."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qb
from qbcore.errors import Invalid
from qbcore.remote.wire import dumps, loads, loads_storable

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_values_come_out_as_they_went_in(value: Any) -> None:
    assert loads(dumps(value)) == value


def test_objects_travel_as_plain_objects() -> None:
    job = qb.Job(name="a", agenda=[{"name": 1}])
    assert loads(dumps([job])) == [{"name": "a", "agenda": [{"name": "1"}]}]


def test_times_travel_as_unix_seconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 900_000, tzinfo=UTC)
    assert loads(dumps(moment)) == 1767323045
    assert loads(dumps(date(2026, 1, 2))) == datetime(2026, 1, 2).timestamp()


@pytest.mark.parametrize(
    ("value", "plain"),
    [({5}, [5]), ((1, 2), [1, 2]), (range(3), [0, 1, 2]), ({"a": 1}.keys(), ["a"]), (Path("/show/a"), "/show/a")],
)
def test_other_collections_travel_as_lists_and_paths_as_text(value: Any, plain: Any) -> None:
    assert loads(dumps(value)) == plain


class Whole:
    """Numbers of other libraries know their whole number this way."""

    def __index__(self) -> int:
        return 2**60


def test_a_number_of_another_library_travels_as_its_whole_number() -> None:
    assert loads(dumps(Whole())) == 2**60


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize("value", [b"raw", float("nan"), float("inf"), object(), circle(), {(1, 2): 3}])
def test_what_cannot_travel_is_refused(value: Any) -> None:
    with pytest.raises(Invalid, match="cannot be sent as JSON"):
        dumps(value)


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"[Infinity]", b"\xff\xfe\x00", b"1" * 5000, b"[" * 200_000])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match=r"not JSON|too deeply"):
        loads(body)


def test_the_text_is_ascii_whatever_it_holds() -> None:
    text = dumps({"name": "Größe \udc80 \x00"})
    assert text.isascii()
    assert json.loads(text) == {"name": "Größe \udc80 \x00"}


@pytest.mark.parametrize(
    "body", [rb'{"a": ["\u0000"]}', rb'{"\udc80": 1}', rb'["\ud83d"]', b'["\xed\xb2\x80"]', rb'["\u0041\uDfFf"]']
)
def test_a_character_that_no_database_stores_is_refused_on_its_way_in(body: bytes) -> None:
    with pytest.raises(Invalid, match="holds a character that cannot be stored"):
        loads_storable(body)
    assert loads(body)


@given(PLAIN)
def test_every_other_text_may_be_stored(value: Any) -> None:
    if "\\u0000" not in dumps(value).decode():
        assert loads_storable(dumps(value)) == value


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_nests_deeper_than_anybody_needs_is_refused_long_before_the_stack_ends(
    opening: bytes, closing: bytes
) -> None:
    assert loads_storable(opening * 100 + b"1" + closing * 100)
    with pytest.raises(Invalid, match="over 100 levels deep"):
        loads_storable(opening * 101 + b"1" + closing * 101)


def test_a_whole_character_written_as_two_halves_may_be_stored() -> None:
    assert loads_storable(dumps(["frame \U0001f600"])) == ["frame \U0001f600"]
    assert loads_storable(rb'["a backslash: \\u0000"]') == [r"a backslash: \u0000"]
