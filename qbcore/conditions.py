"""Conditions in requirements: each node prints itself, compiles itself to a function, and says why it is false.

Nodes are equal when they print alike. `fold` below is str.lower where host.os is compared, else it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from qbcore.values import (
    COMPARE,
    Arithmetic,
    Facts,
    Fold,
    Items,
    Literal,
    NoAnswer,
    Number,
    Operand,
    Read,
    Value,
    compare,
    contains,
    members,
    number_of,
    same,
    text_of,
    truth,
)

Test: TypeAlias = Callable[[Facts], bool]

_WITHOUT_CASE = "host.os"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared, or one looked up in a list."""

    op: str
    left: Value
    right: Value

    def names(self) -> Iterator[str]:
        yield from self.left.names()
        yield from self.right.names()

    def compiled(self) -> Test:
        fold: Fold = str.lower if _WITHOUT_CASE in self.names() else same
        if self.op in COMPARE:
            return _comparing(self.op, self.left, self.right, fold)
        value, found = (self.left, self.right) if self.op == "in" else (self.right, self.left)
        return _looking_up(value, found, fold)

    def why(self, facts: Facts) -> str:
        return f"needs {self}{_seen(self, facts)}"

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True, slots=True)
class Truth:
    """A value standing alone: true unless lacking, 0, empty or false."""

    value: Value

    def names(self) -> Iterator[str]:
        return self.value.names()

    def compiled(self) -> Test:
        return _answering(truth, self.value.reader())

    def why(self, facts: Facts) -> str:
        return f"needs {self}{_seen(self, facts)}"

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    part: Condition

    def names(self) -> Iterator[str]:
        return self.part.names()

    def compiled(self) -> Test:
        test = self.part.compiled()
        return lambda facts: not test(facts)

    def why(self, facts: Facts) -> str:
        return f"refuses {self.part}{_seen(self, facts)}"

    def __str__(self) -> str:
        return f"not {_grouped(self.part, (All, AnyOf))}"


@dataclass(frozen=True, slots=True)
class All:
    """Conditions that must all be true; none at all is true."""

    parts: tuple[Condition, ...]

    def names(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.names()

    def compiled(self) -> Test:
        tests = tuple(part.compiled() for part in self.parts)

        def test(facts: Facts) -> bool:
            for one in tests:  # noqa: SIM110 -- twice as fast as all(), and asked for every text and kind of host
                if not one(facts):
                    return False
            return True

        return test

    def why(self, facts: Facts) -> str:
        return next((part.why(facts) for part in self.parts if not part.compiled()(facts)), "")

    def __str__(self) -> str:
        return " and ".join(_grouped(part, (AnyOf,)) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions of which one must be true."""

    parts: tuple[Condition, ...]

    def names(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.names()

    def compiled(self) -> Test:
        tests = tuple(part.compiled() for part in self.parts)
        return lambda facts: any(test(facts) for test in tests)

    def why(self, facts: Facts) -> str:
        return "; or ".join(part.why(facts) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Condition: TypeAlias = Comparison | Truth | Not | All | AnyOf


def _grouped(part: Condition, kinds: tuple[type, ...]) -> str:
    return f"({part})" if isinstance(part, kinds) else str(part)


def _comparing(op: str, left: Value, right: Value, fold: Fold) -> Test:
    if isinstance(left, Operand) and isinstance(right, Literal):
        number = number_of(right.text)
        if number is None:
            return _against_text(op, left.name, fold(right.text), fold)
        return _against_number(op, left.name, right.text, number)
    return _answering(lambda first, second: compare(op, first, second, fold), left.reader(), right.reader())


def _against_number(op: str, name: str, text: str, number: Number) -> Test:
    """The commonest comparison of all, made once per host and text: kept free of calls."""
    holds = COMPARE[op]

    def test(facts: Facts) -> bool:
        value = facts.get(name)
        if value.__class__ is int or value.__class__ is float:
            return holds(value, number)
        return value is not None and compare(op, value, text)

    return test


def _against_text(op: str, name: str, text: str, fold: Fold) -> Test:
    holds = COMPARE[op]

    def test(facts: Facts) -> bool:
        value = facts.get(name)
        return value is not None and holds(fold(text_of(value)), text)

    return test


def _looking_up(value: Value, found: Value, fold: Fold) -> Test:
    parts = found.parts if isinstance(found, Items) else (found,)
    if all(isinstance(part, Literal) for part in parts):
        fixed = members([part.text for part in parts if isinstance(part, Literal)], fold)
        return _answering(lambda item: contains(fixed, item, fold), value.reader())
    reads = Items(tuple(part for part in parts if not isinstance(part, (Arithmetic, Items)))).reader()
    return _answering(lambda item, values: contains(members(values, fold), item, fold), value.reader(), reads)


def _answering(answer: Callable[..., bool], *reads: Read) -> Test:
    """A test that is false when a value is lacking, is not a number where one is needed, or divides by zero."""

    def test(facts: Facts) -> bool:
        try:
            return answer(*(read(facts) for read in reads))
        except (NoAnswer, ArithmeticError):
            return False

    return test


def _seen(node: Condition, facts: Facts) -> str:
    """', render-01 has 32000': what was found for the operands of a comparison that is false."""
    names = dict.fromkeys(node.names())
    host = text_of(facts.get("host.name") or "the host")
    sides = ((host, "host."), ("the job", "job."))
    found = [_found(owner, [name for name in names if name.startswith(kind)], facts) for owner, kind in sides]
    said = " and ".join(filter(None, found))
    return f", {said}" if said else ""


def _found(owner: str, names: list[str], facts: Facts) -> str:
    if not names:
        return ""
    if len(names) == 1 and facts.get(names[0]) is not None:
        return f"{owner} has {_shown(facts[names[0]])}"
    return f"{owner} has " + " and ".join(_named(name, facts.get(name)) for name in names)


def _named(name: str, value: Any) -> str:
    return f"no {name}" if value is None else f"{name} {_shown(value)}"


def _shown(value: Any) -> str:
    return text_of(value) or "nothing"
