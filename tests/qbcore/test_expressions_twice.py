"""Requirements held against an evaluator written a second time, simply.

A tree is a tuple. It is written as text in random spelling, spacing and bracketing, and evaluated by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qbcore.expressions import Expression, parse

FACTS = ("host.a", "host.b.avail", "host.os", "job.c")
PIECES = ["0", "1", "2", "-1", "007", "1.5", "linux", "Linux", "ab-c", "3ds", "x y", "or", "", "/p/q", "host.z", "5-3"]
SPELLED = {
    "==": ["==", "=", "eq", "EQ"], "!=": ["!=", "<>", "ne"], "<": ["<", "lt"], "<=": ["<=", "le"],
    ">": [">", "gt"], ">=": [">=", "ge"], "in": ["in", "IN"], "has": ["has"],
    "and": ["and", "&&"], "or": ["or", "||", "Or"],
}  # fmt: skip

literals = st.sampled_from(PIECES).map(lambda text: ("text", text))
facts_read = st.sampled_from(FACTS).map(lambda name: ("fact", name))
atoms = literals | facts_read
numeric_atoms = st.sampled_from(["0", "1", "2", "-1", "1.5"]).map(lambda text: ("text", text)) | facts_read
sums = st.recursive(
    numeric_atoms, lambda inner: st.tuples(st.sampled_from(["+", "-", "*", "/", "%"]), inner, inner), max_leaves=4
)
lists = st.lists(atoms, min_size=2, max_size=3).map(lambda parts: ("list", *parts))
comparisons = st.one_of(
    st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), atoms | sums, atoms | sums),
    st.tuples(st.just("in"), atoms | sums, lists | atoms),
    st.tuples(st.just("has"), lists | atoms, atoms | sums),
    sums.map(lambda value: ("truth", value)),
)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        inner.map(lambda part: ("not", part)),
        st.tuples(st.sampled_from(["and", "or", ","]), inner, inner),
    ),
    max_leaves=8,
)
values = st.none() | st.sampled_from([0, 1, 2, 1.5, True, "linux", "LINUX", "ab-c", "2", "", "1,linux", ("ab-c", 2)])
situations = st.fixed_dictionaries(dict.fromkeys(FACTS, values))


class LackingError(Exception):
    """A fact that the evaluation needs is not there."""


def strength(tree: Any) -> int:
    table = {
        ",": 1,
        "or": 2,
        "and": 3,
        "not": 4,
        "+": 6,
        "-": 6,
        "*": 7,
        "/": 7,
        "%": 7,
        "text": 9,
        "fact": 9,
        "list": 9,
    }
    return strength(tree[1]) if tree[0] == "truth" else table.get(tree[0], 5)


def quoted(text: str) -> str:
    plain = re.fullmatch(r"-?\d+(\.\d+)?|linux|Linux|ab-c|3ds|/p/q", text)
    return text if plain else f"'{text}'"


def write(draw: Any, tree: Any, needed: int = 0) -> str:
    text = written(draw, tree)
    if strength(tree) < needed or (tree[0] != "list" and draw(st.integers(0, 5)) == 0):
        return f"({text})" if draw(st.booleans()) else f"( {text} )"
    return text


def written(draw: Any, tree: Any) -> str:
    kind, *parts = tree
    if kind == "text":
        return quoted(parts[0])
    if kind == "fact":
        return draw(st.sampled_from([parts[0], parts[0].upper()]))
    if kind == "list":
        return ",".join(written(draw, part) for part in parts)
    if kind == "truth":
        return write(draw, parts[0], 6)
    if kind == "not":
        return draw(st.sampled_from(["not ", "! ", "!"])) + write(draw, parts[0], 4)
    sign = ", " if kind == "," else f" {draw(st.sampled_from(SPELLED.get(kind, [kind])))} "
    own = strength(tree)
    left = own + 1 if own == 5 else own
    return write(draw, parts[0], left) + sign + write(draw, parts[1], own + 1)


def as_number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(as_text(part) for part in value)
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def worth(tree: Any, facts: Mapping[str, Any]) -> Any:
    kind, *parts = tree
    if kind == "text":
        return parts[0]
    if kind == "fact":
        if facts[parts[0]] is None:
            raise LackingError
        return facts[parts[0]]
    if kind == "list":
        return [worth(part, facts) for part in parts]
    left, right = (as_number(worth(part, facts)) for part in parts)
    if left is None or right is None or (kind in "/%" and right == 0):
        raise LackingError
    return {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right,
            "/": lambda: left / right, "%": lambda: left % right}[kind]()  # fmt: skip


def alike(left: Any, right: Any, blind: bool) -> bool:
    return ordered(left, right, blind) == 0


def ordered(left: Any, right: Any, blind: bool) -> int:
    one, two = as_number(left), as_number(right)
    if one is None or two is None:
        one, two = (as_text(side).lower() if blind else as_text(side) for side in (left, right))
    return (one > two) - (one < two)


def mentions_os(tree: Any) -> bool:
    return tree == ("fact", "host.os") or any(mentions_os(part) for part in tree if isinstance(part, tuple))


def members(value: Any) -> list[str]:
    pieces = ",".join(as_text(part) for part in (value if isinstance(value, list) else [value])).split(",")
    return [piece.strip() for piece in pieces if piece.strip()]


def naive(tree: Any, facts: Mapping[str, Any]) -> bool:
    kind, *parts = tree
    if kind == "not":
        return not naive(parts[0], facts)
    if kind in ("and", ","):
        return naive(parts[0], facts) and naive(parts[1], facts)
    if kind == "or":
        return naive(parts[0], facts) or naive(parts[1], facts)
    blind = mentions_os(tree)
    try:
        sides = [worth(part, facts) for part in parts]
    except LackingError:
        return False
    if kind == "truth":
        number = as_number(sides[0])
        return number != 0 if number is not None else as_text(sides[0]).lower() not in ("", "false")
    if kind in ("in", "has"):
        item, listed = sides if kind == "in" else reversed(sides)
        return any(alike(item, member, blind) for member in members(listed))
    order = ordered(*sides, blind)
    return {"==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[
        kind
    ]


@st.composite
def texts(draw: Any) -> tuple[Any, str]:
    tree = draw(trees)
    return tree, write(draw, tree)


@given(texts(), situations)
def test_answers_equal_those_of_the_naive_evaluator(pair: tuple[Any, str], facts: dict[str, Any]) -> None:
    tree, text = pair
    expression = parse(text)
    verdict = expression.test(facts)
    assert bool(verdict) == naive(tree, facts)
    assert verdict.missing == tuple(name for name in expression.names if facts[name] is None)
    assert bool(verdict.why) != bool(verdict)


@given(texts(), situations)
def test_printing_and_reading_again_changes_nothing(pair: tuple[Any, str], facts: dict[str, Any]) -> None:
    expression = parse(pair[1])
    again = parse(str(expression))
    assert again == expression
    assert again.root == expression.root
    assert again.holds(facts) == expression.holds(facts)


@given(texts(), situations)
def test_an_expression_holds_when_both_of_its_parts_do(pair: tuple[Any, str], facts: dict[str, Any]) -> None:
    expression: Expression = parse(pair[1])
    standing, passing = expression.parts()
    assert (standing.holds(facts) and passing.holds(facts)) == expression.holds(facts)
    assert not standing.dynamic
    assert not standing.asks_job
