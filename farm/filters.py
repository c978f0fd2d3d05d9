"""The filter language: a text, its chips, and the terms that the listing understands. The text is the page's address.

Terms are joined by and; a comma is or; a leading minus turns a term round; quoted or bare text is looked for in name,
label and id; `*` stands for anything. A term that cannot be read becomes an invalid chip and the rest applies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from qbcore.listing.terms import MARKS, Term, Value
from qbcore.states import Status

TEXT_KEYS = ("user", "show", "name", "label", "cluster", "prototype")
NUMBER_KEYS = ("id", "priority")
KEYS = ("status", *TEXT_KEYS, *NUMBER_KEYS, "age", "submitted", "is", "has")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
ORDERED = frozenset(FLIPPED)
TOKEN = re.compile(r'(?P<minus>-?)(?:(?P<key>[A-Za-z_]+)(?P<op>:|!=|<=|>=|=|<|>|~))?(?P<value>(?:"[^"]*"?|\S)*)')
WORD = re.compile(r'(?:"[^"]*"?|\S)+')
PART = re.compile(r'(?:"[^"]*"?|[^,"])+')
LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Chip:
    """One term as typed. `term` is None when it could not be read, and `error` says why; `text` is its spelling."""

    text: str
    key: str
    op: str
    value: str
    negated: bool
    term: Term | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A filter as typed."""

    chips: tuple[Chip, ...]

    @property
    def text(self) -> str:
        return " ".join(chip.text for chip in self.chips)

    @property
    def terms(self) -> list[Term]:
        return [chip.term for chip in self.chips if chip.term]

    @property
    def ignored(self) -> int:
        return sum(chip.term is None for chip in self.chips)

    def without(self, chip: Chip) -> str:
        """The text of the others."""
        return " ".join(other.text for other in self.chips if other is not chip)


class UnreadableError(Exception):
    """A term that means nothing; the text says why and what would."""


def parse(text: str, *, me: str, now: datetime) -> Query:
    """Reads a filter. `user:me` is the reader, ages count from *now*."""
    return Query(tuple(_chip(word, me=me, now=now) for word in WORD.findall(text[:LONGEST])))


def _chip(word: str, *, me: str, now: datetime) -> Chip:
    found = TOKEN.fullmatch(word)
    assert found is not None  # the value part takes whatever is left
    key, op = (found["key"] or "").lower(), found["op"] or ""
    value, negated = found["value"], bool(found["minus"])
    if not key:
        term = Term("text", ":", tuple(_unquoted(part) for part in [value]), negated)
        return Chip(word, "", "", _unquoted(value), negated, term if _unquoted(value) else None, "")
    try:
        term = _term(key, op, value, negated=negated, me=me, now=now)
    except UnreadableError as wrong:
        return Chip(word, key, op, _unquoted(value), negated, None, str(wrong))
    return Chip(word, key, op, _unquoted(value), negated, term)


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def _term(key: str, op: str, value: str, *, negated: bool, me: str, now: datetime) -> Term:
    read = READERS.get(key)
    if read is None:
        near = get_close_matches(key, KEYS, n=1)
        raise UnreadableError(
            f"There is no key {key}. " + (f"Did you mean {near[0]}?" if near else _known("Keys", KEYS))
        )
    if op == "~":
        raise UnreadableError("Regular expressions are not available yet: use * as a wildcard.")
    parts = [_unquoted(part).strip() for part in PART.findall(value)]
    parts = [part for part in parts if part]
    if not parts:
        raise UnreadableError(f"{key} needs a value.")
    if op in ORDERED and len(parts) > 1:
        raise UnreadableError(f"{op} takes one value.")
    return read(Reading(key, op, parts, negated, me, now))


@dataclass(frozen=True, slots=True)
class Reading:
    key: str
    op: str
    parts: list[str]
    negated: bool
    me: str
    now: datetime

    def term(self, *values: Value, key: str = "", op: str = "") -> Term:
        return Term(key or self.key, op or self.op, values, self.negated)

    def no_order(self) -> None:
        if self.op in ORDERED:
            raise UnreadableError(f"{self.key} has no order: use a colon.")


def _known(what: str, words: tuple[str, ...]) -> str:
    return f"{what}: {', '.join(words)}."


def _read_text(reading: Reading) -> Term:
    reading.no_order()
    return reading.term(*(reading.me if (reading.key, part) == ("user", "me") else part for part in reading.parts))


def _read_number(reading: Reading) -> Term:
    wrong = [part for part in reading.parts if not (part.isdecimal() and len(part) < 19)]
    if wrong:
        raise UnreadableError(f"{reading.key} is a number, not {wrong[0]}.")
    return reading.term(*(int(part) for part in reading.parts))


def _words(reading: Reading, known: tuple[str, ...]) -> Term:
    reading.no_order()
    wrong = [part for part in reading.parts if part.lower() not in known]
    if wrong:
        near = get_close_matches(wrong[0].lower(), known, n=1)
        hint = f"Did you mean {near[0]}?" if near else _known("Known", known)
        raise UnreadableError(f"{reading.key} is never {wrong[0]}. {hint}")
    return reading.term(*(part.lower() for part in reading.parts))


def _read_age(reading: Reading) -> Term:
    """An age compares the other way round than the time since which it counts."""
    if reading.op not in ORDERED:
        raise UnreadableError("age is compared: age>2h or age<30m.")
    since = reading.now - timedelta(seconds=seconds(reading.parts[0]))
    return reading.term(since, key="submitted", op=FLIPPED[reading.op])


def seconds(text: str) -> float:
    """A length of time such as 90s, 15m, 2h, 1d2h. Raises UnreadableError."""
    found = re.findall(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw])", text.lower())
    if not found or "".join(number + unit for number, unit in found) != text.lower():
        raise UnreadableError(f"{text} is not a length of time: write 30s, 15m, 2h or 1d.")
    return min(sum(float(number) * UNITS[unit] for number, unit in found), 100 * 365 * UNITS["d"])


def _read_day(reading: Reading) -> Term:
    """A day stands for all of it: submitted:2026-11-22 is from its first moment to its last."""
    try:
        start = datetime.fromisoformat(reading.parts[0])
    except ValueError as wrong:
        raise UnreadableError(f"{reading.parts[0]} is not a date: write 2026-11-22.") from wrong
    start = start if start.tzinfo else start.replace(tzinfo=reading.now.tzinfo)
    if reading.op in (">", "<=") and len(reading.parts[0]) == 10:
        start += timedelta(days=1)
        return reading.term(start, op=">=" if reading.op == ">" else "<")
    if reading.op not in ORDERED:
        raise UnreadableError("submitted is compared: submitted>=2026-11-22.")
    return reading.term(start)


def _reader_of_words(*known: str) -> Callable[[Reading], Term]:
    return lambda reading: _words(reading, known)


READERS: dict[str, Callable[[Reading], Term]] = {
    "status": _reader_of_words(*(status.word for status in Status)),
    **dict.fromkeys(TEXT_KEYS, _read_text),
    **dict.fromkeys(NUMBER_KEYS, _read_number),
    "age": _read_age,
    "submitted": _read_day,
    "is": _reader_of_words(*MARKS),
    "has": _reader_of_words("failed"),
}
