"""Requirements: grammar, answers, reasons, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.errors import BadExpression
from qbcore.expressions import parse

RENDER = {
    "host.name": "render-01",
    "host.os": "Linux",
    "host.memory.avail": 32000,
    "host.memory.total": 96000,
    "host.processors.used": 6,
    "host.groups": ("fast", "gpu"),
    "host.jobtypes": "cmdline,cmdrange",
    "host.kernel": "2.6.17-1.2142_FC4smp",
    "host.cluster": "/show/comp",
    "host.flag.local": True,
    "host.version": "7",
    "job.user": "ann",
    "job.kind": "bake",
    "host.duty.kind": "sim,bake",
}


def holds(text: str, facts: Mapping[str, Any] = RENDER) -> bool:
    return bool(parse(text).test(facts))


# -- spellings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("host.a eq 1", "host.a == 1"),
        ("host.a = 1", "host.a == 1"),
        ("host.a ne 1", "host.a != 1"),
        ("host.a <> 1", "host.a != 1"),
        ("host.a lt 1", "host.a < 1"),
        ("host.a gt 1", "host.a > 1"),
        ("host.a le 1", "host.a <= 1"),
        ("host.a ge 1", "host.a >= 1"),
        ("host.a<1&&host.b>=2", "host.a < 1 and host.b >= 2"),
        ("host.a || host.b", "host.a or host.b"),
        ("!host.a", "not host.a"),
        ("not(host.a)", "not host.a"),
        ("HOST.A EQ 1 AND NOT Host.B IN 2,3", "host.a == 1 and not host.b in 2,3"),
        ("host.a==1,host.b==2", "host.a == 1 and host.b == 2"),
        ("((host.a))", "host.a"),
        ("5-3 == host.a", "5 - 3 == host.a"),
        ("host.a > -5", "host.a > -5"),
        ("host.name == 'render-01'", "host.name == render-01"),
        ("host.name == 'a b'", "host.name == 'a b'"),
        ('host.name == "it\'s"', 'host.name == "it\'s"'),
        ("host.name == 'or'", "host.name == 'or'"),
        ("host.name == 'host.os'", "host.name == 'host.os'"),
        ("host.name == '5-3'", "host.name == '5-3'"),
        ("  ", ""),
    ],
)
def test_every_spelling_prints_as_its_canonical_one(written: str, canonical: str) -> None:
    assert str(parse(written)) == canonical
    assert parse(written) == parse(canonical)


# -- precedence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loose", "bracketed"),
    [
        ("host.a or host.b, host.c", "(host.a or host.b) and host.c"),
        ("host.a or host.b and host.c", "host.a or (host.b and host.c)"),
        ("not host.a and host.b", "(not host.a) and host.b"),
        ("not host.a == 1", "not (host.a == 1)"),
        ("host.a == host.b + 1", "host.a == (host.b + 1)"),
        ("host.a + host.b * 2 > 1", "(host.a + (host.b * 2)) > 1"),
        ("host.a - host.b - 1 > 0", "((host.a - host.b) - 1) > 0"),
        ("host.a / 2 % 3 > 0", "((host.a / 2) % 3) > 0"),
        ("host.a in x,y, host.b", "(host.a in x,y) and host.b"),
        ("host.a == x,x,y has host.b", "(host.a == x) and (x,y has host.b)"),
    ],
)
def test_operators_bind_as_the_table_says(loose: str, bracketed: str) -> None:
    assert parse(loose) == parse(bracketed)


@pytest.mark.parametrize("text", ["host.a - (host.b - 1) > 0", "host.a * (host.b + 1) > 0", "not (host.a or host.b)"])
def test_parentheses_that_matter_are_printed(text: str) -> None:
    assert str(parse(text)) == text


# -- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "true",
        "host.os == linux",
        "LINUX == host.os",
        "host.os in irix,linux",
        "host.os < m",
        "host.memory.avail > 9999",
        "host.version == 07",
        "host.version == '7.0'",
        "host.name > RENDER-01",
        "host.kernel eq 2.6.17-1.2142_FC4smp",
        "host.cluster == /show/comp",
        "host.groups has gpu",
        "gpu in host.groups",
        "fast,slow has fast",
        "host.name in 'render-00, render-01'",
        "host.processors.used in 05,06",
        "job.kind in host.duty.kind",
        "host.flag.local",
        "host.flag.local == true",
        "host.memory.avail * 3 == host.memory.total",
        "host.processors.used % 4 == 2",
        "10 - 8 == 2",
        "10-8 == 2",
        "host.name != render-02",
    ],
)
def test_what_the_host_has_is_true(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "false",
        "host.name == RENDER-01",
        "host.memory.avail > 64000",
        "host.groups has gp",
        "host.processors.used in 66,60",
        "host.processors.used / 0 == 1 or host.processors.used % 0 == 0",
        "host.name + 1 > 0",
        "host.memory.avail - 32000",
        "not host.os == linux",
    ],
)
def test_what_the_host_has_not_is_false(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">=", "in", "has"])
def test_a_comparison_with_a_lacking_operand_is_false_whichever_it_is(op: str) -> None:
    verdict = parse(f"host.gpus.total {op} 2").test(RENDER)
    assert not verdict
    assert verdict.missing == ("host.gpus.total",)
    assert holds(f"not host.gpus.total {op} 2")


def test_a_lacking_operand_is_named_even_where_the_answer_is_yes() -> None:
    verdict = parse("host.os == linux or host.gpus > 1").test(RENDER)
    assert verdict
    assert verdict.missing == ("host.gpus",)
    assert verdict.why == ""


# -- reasons -------------------------------------------------------------------------------------------------------


TWO_FACTS = (
    "needs host.memory.avail > host.memory.total, render-01 has host.memory.avail 32000 and host.memory.total 96000"
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host.memory.avail > 64000", "needs host.memory.avail > 64000, render-01 has 32000"),
        ("host.os == linux and host.version > 8", "needs host.version > 8, render-01 has 7"),
        ("host.gpus > 1", "needs host.gpus > 1, render-01 has no host.gpus"),
        ("host.groups has slow", "needs host.groups has slow, render-01 has fast,gpu"),
        ("not host.os == linux", "refuses host.os == linux, render-01 has Linux"),
        ("host.memory.avail > host.memory.total", TWO_FACTS),
        (
            "job.user == bob or host.version == 8",
            "needs job.user == bob, the job has ann; or needs host.version == 8, render-01 has 7",
        ),
        ("0", "needs 0"),
    ],
)
def test_why_names_the_comparison_that_is_false_and_what_the_host_has(text: str, why: str) -> None:
    assert parse(text).test(RENDER).why == why


def test_why_says_the_host_where_it_has_no_name() -> None:
    assert parse("host.x > 3").test({"host.x": 2}).why == "needs host.x > 3, the host has 2"


# -- what an expression tells of itself ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["host.memory.avail > 1", "host.processors.used == 0", "not(job.kind in host.duty.kind)", "host.state == x"]
)
def test_what_reads_passing_facts_is_dynamic(text: str) -> None:
    assert parse(text).dynamic


@pytest.mark.parametrize("text", ["", "host.memory.total > 1", "host.dutycycle > 1", "host.avail > 1 and job.id > 2"])
def test_what_reads_standing_facts_is_not_dynamic_unless_it_ends_so(text: str) -> None:
    assert parse(text).dynamic == (".avail" in text)


def test_the_parts_of_an_expression_together_say_the_same() -> None:
    standing, passing = parse("host.os == linux, host.memory.avail > 5, job.user == ann, host.version > 3").parts()
    assert str(standing) == "host.os == linux and host.version > 3"
    assert str(passing) == "host.memory.avail > 5 and job.user == ann"
    assert passing.asks_job
    assert not standing.asks_job
    assert parse("host.os == linux").parts() == (parse("host.os == linux"), parse(""))


def test_names_are_listed_once_in_the_order_of_the_text() -> None:
    assert parse("host.b > host.a and host.b in host.c,1").names == ("host.b", "host.a", "host.c")


def test_an_unknown_host_fact_is_warned_of_and_others_are_not() -> None:
    known = {"host.os", "host.memory"}
    text = "host.os == x and host.memory.avail > 1 and host.gpus.total > 1 and host.duty.kind has y and job.whatever"
    assert parse(text).warnings(known) == (
        "no host of this farm reports host.gpus.total; a comparison with it is false",
    )


def test_a_text_is_compiled_once() -> None:
    assert parse("host.os == linux") is parse("host.os == linux")


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("host.x >", 8, "a value is missing before the end"),
        ("host.x > and 1", 9, "a value is missing before 'and'"),
        ("host.os == linux or irix", 20, "'irix' is a text, not a condition"),
        ("host.x in a, b", 13, "'b' is a text, not a condition"),
        ("host.x in (a,b)", 11, "'a' is a text, not a condition"),
        ("(host.x", 0, "this parenthesis is never closed"),
        ("host.x)", 6, "this parenthesis was never opened"),
        ("()", 1, "a value is missing before ')'"),
        ("host.x == 'abc", 10, "this quote is never closed"),
        ("host.x & host.y", 7, "an operator is missing before '&'"),
        ("host.x == a b", 12, "an operator is missing before 'b'"),
        ("host.x -5 > 3", 7, "a minus here is no subtraction"),
        ("host.x- 5 > 3", 6, "a minus here is no subtraction"),
        ("host.x == 10-bit", 13, "'bit' is not a number"),
        ("host.x == a,b + 1", 12, "'b' is not a number"),
        ("1 < host.x < 3", 11, "two comparisons in a row"),
        ("host.a in b,c,host.d == 4", 21, "two comparisons in a row"),
        ("(host.a == b) == c", 0, "'==' needs a value beside it, not a condition"),
        ("host.a == not 3", 10, "'==' needs a value beside it, not a condition"),
        ("host.a..b == 1", 0, "'host.a..b' does not name a fact"),
        ("host.größe == 1", 0, "'host.größe' does not name a fact"),
        ("host.a in host.b + 1", 10, "'in' needs a list, not a calculation"),
        ("a,b has c == 3", 10, "two comparisons in a row"),
        ("host.a in x,host..b", 12, "'host..b' does not name a fact"),
    ],
)
def test_a_malformed_text_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse(text)
    assert caught.value.position == position
    assert caught.value.message == said
    assert caught.value.hint.endswith(".")
    assert caught.value.field == "requirements"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(" * 60 + "1" + ")" * 60, "nested deeper"),
        ("not " * 60 + "1", "nested deeper"),
        ("1" + "+1" * 200 + "> 3", "arithmetic signs"),
        ("host.a == " + "b" * 100_000, "longer than"),
    ],
)
def test_a_text_that_would_exhaust_the_reader_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadExpression, match=said):
        parse(text)


def test_a_list_of_ten_thousand_hosts_is_read() -> None:
    text = "host.name in " + ",".join(f"r{n:05}" for n in range(10_000))
    assert parse(text).test({"host.name": "r09999"})
    assert str(parse(text)) == text


@given(st.text(alphabet="ab1. -,'\"()=!<>&|/%+@:\t", max_size=30) | st.text(max_size=20))
def test_any_text_is_read_or_refused_at_a_place_inside_it(text: str) -> None:
    try:
        expression = parse(text)
    except BadExpression as error:
        assert 0 <= error.position <= len(text)
    else:
        assert parse(str(expression)) == expression
