"""Values in requirements: what counts as a number, how two compare, and the nodes that stand for values."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, Any]
"""What is known of a host and a job, by dotted lower-case name ('host.memory.avail'). None counts as absent."""

Number: TypeAlias = int | float
Read: TypeAlias = Callable[[Facts], Any]
Fold: TypeAlias = Callable[[str], str]

# Longer digit strings (asset tags, hashes) stay text: they are names, and as numbers they would lose digits.
is_number = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?").fullmatch

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPUTE: dict[str, Callable[[Any, Any], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
}


class NoAnswer(Exception):  # noqa: N818 -- it says what is the case: a value is lacking or is not a number
    """A value that a comparison needs is lacking, so the comparison is false."""


def number_of(value: Any) -> Number | None:
    """The value as a number, or None when it is not one. True is not: it is the text 'true'."""
    if isinstance(value, (int, float)):
        return None if isinstance(value, bool) else value
    if isinstance(value, str) and is_number(value):
        return float(value) if "." in value else int(value)
    return None


def text_of(value: Any) -> str:
    """The value as text: a list becomes a comma list, true and false are lower-case, 4.0 is '4'."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ",".join(map(text_of, value))
    if isinstance(value, (set, frozenset)):
        return ",".join(sorted(map(text_of, value)))
    return str(value)


def elements(value: Any) -> list[str]:
    """The members of a comma list, without surrounding spaces; empty members are dropped."""
    return [part for part in (piece.strip() for piece in text_of(value).split(",")) if part]


def same(value: str) -> str:
    """The text itself: the way to read texts where upper and lower case differ."""
    return value


def compare(op: str, left: Any, right: Any, fold: Fold = same) -> bool:
    """Two values side by side: as numbers if both are, else as texts after `fold`."""
    first, second = number_of(left), number_of(right)
    if first is not None and second is not None:
        return COMPARE[op](first, second)
    return COMPARE[op](fold(text_of(left)), fold(text_of(right)))


def members(values: Iterable[Any], fold: Fold = same) -> frozenset[str | Number]:
    """What `contains` looks in: each element as a number if it is one, else as text after `fold`."""
    found = (element for value in values for element in elements(value))
    return frozenset(fold(text) if (number := number_of(text)) is None else number for text in found)


def contains(found: frozenset[str | Number], value: Any, fold: Fold = same) -> bool:
    """Whether a value is in a list; numbers are looked up as numbers, so '07' is in '7,8'."""
    number = number_of(value)
    return (fold(text_of(value)) if number is None else number) in found


def truth(value: Any) -> bool:
    """A value standing alone as a condition: false are 0, empty text and 'false'."""
    number = number_of(value)
    return text_of(value).lower() not in ("", "false") if number is None else number != 0


_DIGITS = r"[0-9]+(?:\.[0-9]+)?"
NUMBER = rf"{_DIGITS}(?![\w.:@])"
PATH = r"/[\w.:@/-]*"
# 5-3 is no word but a subtraction: a minus after a number is one.
WORD = rf"(?!{_DIGITS}-)[\w:@]+(?:[.-]+[\w:@]+)*"
KEYWORDS = frozenset(("eq", "ne", "and", "or", "not", "lt", "gt", "le", "ge", "in", "has"))

_plain = re.compile(f"-?{NUMBER}|{PATH}|{WORD}").fullmatch
_POWER = {"+": 6, "-": 6, "*": 7, "/": 7, "%": 7}


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or a text as it was written, without its quotes."""

    text: str

    def names(self) -> Iterator[str]:
        return iter(())

    def reader(self) -> Read:
        text = self.text
        return lambda facts: text

    def __str__(self) -> str:
        if self._needs_no_quotes():
            return self.text
        return f'"{self.text}"' if "'" in self.text else f"'{self.text}'"

    def _needs_no_quotes(self) -> bool:
        """True when the text, read again without quotes, is this literal and not an operator or an operand."""
        word = self.text.lower()
        return bool(_plain(self.text)) and word not in KEYWORDS and not is_operand(word)


@dataclass(frozen=True, slots=True)
class Operand:
    """A fact of the host or the job, by its dotted lower-case name."""

    name: str

    def names(self) -> Iterator[str]:
        yield self.name

    def reader(self) -> Read:
        name = self.name

        def read(facts: Facts) -> Any:
            value = facts.get(name)
            if value is None:
                raise NoAnswer(name)
            return value

        return read

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Items:
    """The list written beside `in` or `has`."""

    parts: tuple[Literal | Operand, ...]

    def names(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.names()

    def reader(self) -> Read:
        reads = [part.reader() for part in self.parts]
        return lambda facts: [read(facts) for read in reads]

    def __str__(self) -> str:
        return ",".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A sum, difference, product, quotient or remainder of two values."""

    op: str
    left: Value
    right: Value

    def names(self) -> Iterator[str]:
        yield from self.left.names()
        yield from self.right.names()

    def reader(self) -> Read:
        compute, left, right = COMPUTE[self.op], self.left.reader(), self.right.reader()

        def read(facts: Facts) -> Number:
            first, second = number_of(left(facts)), number_of(right(facts))
            if first is None or second is None:
                raise NoAnswer(self.op)
            return compute(first, second)

        return read

    def __str__(self) -> str:
        power = _POWER[self.op]
        left, right = _bracketed(self.left, power), _bracketed(self.right, power + 1)
        return f"{left} {self.op} {right}"


Value: TypeAlias = Literal | Operand | Items | Arithmetic


def is_operand(word: str) -> bool:
    """Whether a lower-case word asks for a fact rather than being a text."""
    return word.startswith(("host.", "job."))


def _bracketed(value: Value, power: int) -> str:
    inside = _POWER[value.op] if isinstance(value, Arithmetic) else 8
    return f"({value})" if inside < power else str(value)
