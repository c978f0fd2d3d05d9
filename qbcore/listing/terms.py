"""What a list of jobs is narrowed by: terms, and the rows that they mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.db.models import Q

from qbcore.errors import Invalid
from qbcore.states import DONE, LIVE, Status

Value = str | int | float | datetime
SIDES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
EQUAL = {":", "="}
TEXTS = {"user": "user", "show": "show", "label": "label", "cluster": "cluster", "prototype": "prototype"}
NUMBERS = {"id": "id", "priority": "priority", "submitted": "timesubmit"}
# Folded counters: at most a tick behind, and the planner may use them.
SOME_FAILED = Q(n_failed__gt=0) | Q(s_failed__gt=0)
MARKS = {
    "failing": Q(status__in=LIVE) & SOME_FAILED,
    "live": Q(status__in=LIVE),
    "done": Q(status__in=DONE),
}


@dataclass(frozen=True, slots=True)
class Term:
    """`key op value`: the values are alternatives. Keys: those of TEXTS and NUMBERS, status, name, text, is, has."""

    key: str
    op: str = ":"
    values: tuple[Value, ...] = ()
    negated: bool = False


def where(terms: Iterable[Term]) -> Q:
    """All of the terms together, as a filter for JobRow. Raises Invalid for a key or operator without a meaning."""
    return reduce(and_, (_one(term) for term in terms), Q())


def _one(term: Term) -> Q:
    meant = reduce(or_, (_meaning(term, value) for value in term.values), Q(pk__in=[]))
    return ~meant if term.negated != (term.op == "!=") else meant


def _meaning(term: Term, value: Value) -> Q:
    column = NUMBERS.get(term.key)
    if column and term.op in SIDES:
        return Q(**{f"{column}__{SIDES[term.op]}": value})
    if term.op not in EQUAL and term.op != "!=":
        raise Invalid(f"{term.op} says nothing about {term.key}", field=term.key, hint="Use a colon.")
    if column:
        return Q(**{column: value})
    if term.key in TEXTS:
        return like(TEXTS[term.key], str(value))
    special = SPECIAL.get(term.key)
    if special is None:
        raise Invalid(f"jobs are not filtered by {term.key}", field=term.key)
    return special(str(value))


def like(column: str, text: str) -> Q:
    """The column is *text*, upper and lower case alike; `*` stands for anything."""
    if "*" not in text:
        return Q(**{f"{column}__iexact": text})
    return Q(**{f"{column}__iregex": f"^{_pattern(text)}$"})


def holds(column: str, text: str) -> Q:
    """The column has *text* somewhere in it."""
    return Q(**{f"{column}__iregex": _pattern(text)}) if "*" in text else Q(**{f"{column}__icontains": text})


def _pattern(text: str) -> str:
    return ".*".join(re.escape(part) for part in re.split(r"\*+", text))


def _anywhere(text: str) -> Q:
    found = holds("name", text) | holds("label", text)
    return found | Q(id=int(text)) if text.isdecimal() and len(text) < 19 else found


def _mark(text: str) -> Q:
    if text not in MARKS:
        raise Invalid(f"no job is {text!r}", field="is", hint=f"Known: {', '.join(MARKS)}.")
    return MARKS[text]


def _has(text: str) -> Q:
    if text != "failed":
        raise Invalid(f"no job has {text!r}", field="has", hint="Known: failed.")
    return SOME_FAILED


def _status(text: str) -> Q:
    try:
        return Q(status=Status.of(text))
    except ValueError as unknown:
        raise Invalid(str(unknown), field="status") from unknown


SPECIAL: dict[str, Callable[[str], Q]] = {
    "status": _status,
    "name": lambda text: holds("name", text),
    "text": _anywhere,
    "is": _mark,
    "has": _has,
}
