"""The filter language: what a text means, and what it says about a term that means nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm import filters
from qbcore.listing.terms import Term

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def parse(text: str) -> filters.Query:
    return filters.parse(text, me="mira", now=NOW)


def terms(text: str) -> list[Term]:
    return parse(text).terms


def test_a_term_has_a_key_an_operator_and_alternatives() -> None:
    assert terms("status:failed,killed") == [Term("status", ":", ("failed", "killed"))]
    assert terms("priority<=500") == [Term("priority", "<=", (500,))]
    assert terms("id:12,14") == [Term("id", ":", (12, 14))]
    assert terms("name:lgt*v037") == [Term("name", ":", ("lgt*v037",))]


def test_a_minus_turns_a_term_round() -> None:
    assert terms("-user:api") == [Term("user", ":", ("api",), negated=True)]
    assert terms("-sq020") == [Term("text", ":", ("sq020",), negated=True)]


def test_bare_and_quoted_words_are_looked_for_in_the_text() -> None:
    assert terms('sq020 "two words"') == [Term("text", ":", ("sq020",)), Term("text", ":", ("two words",))]
    assert terms('name:"a b",c') == [Term("name", ":", ("a b", "c"))]


def test_me_is_the_reader() -> None:
    assert terms("user:me,jonas") == [Term("user", ":", ("mira", "jonas"))]


def test_an_age_counts_back_from_now_and_compares_the_other_way_round() -> None:
    assert terms("age>2h") == [Term("submitted", "<", (NOW - timedelta(hours=2),))]
    assert terms("age<=1d2h") == [Term("submitted", ">=", (NOW - timedelta(days=1, hours=2),))]


def test_a_day_is_meant_from_its_first_to_its_last_moment() -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    assert terms("submitted>=2026-11-20") == [Term("submitted", ">=", (day,))]
    assert terms("submitted>2026-11-20") == [Term("submitted", ">=", (day + timedelta(days=1),))]
    assert terms("submitted<=2026-11-20") == [Term("submitted", "<", (day + timedelta(days=1),))]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prio:5", "There is no key prio. Did you mean priority?"),
        ("zzz:5", "There is no key zzz. Keys: status, user,"),
        ("status:faild", "status is never faild. Did you mean failed?"),
        ("is:blue", "is is never blue. Known: failing, live, done."),
        ("priority<abc", "priority is a number, not abc."),
        ("priority<1,2", "< takes one value."),
        ("user:", "user needs a value."),
        ("user<m", "user has no order: use a colon."),
        ("age:2h", "age is compared: age>2h or age<30m."),
        ("age>soon", "soon is not a length of time: write 30s, 15m, 2h or 1d."),
        ("submitted>=friday", "friday is not a date: write 2026-11-22."),
        ("name~a.b", "Regular expressions are not available yet: use * as a wildcard."),
    ],
)
def test_a_term_that_cannot_be_read_says_why_and_the_rest_applies(text: str, sentence: str) -> None:
    query = parse(f"{text} user:mira")
    assert query.chips[0].error.startswith(sentence)
    assert query.terms == [Term("user", ":", ("mira",))]
    assert query.ignored == 1


def test_a_chip_can_be_taken_out_of_the_text() -> None:
    query = parse('status:failed  "sq020" user:me')
    assert query.text == 'status:failed "sq020" user:me'
    assert query.without(query.chips[1]) == "status:failed user:me"


@given(st.text(max_size=200))
def test_no_text_breaks_the_filter(text: str) -> None:
    query = parse(text)
    assert parse(query.text).terms == query.terms
