"""What a submitted callback says, checked: plain values in, columns out. Pure words.

A malformed trigger is refused with its position. What cannot act here (a language that is not run, a code that nobody
knows) is kept with a reason, as scripts written for the original expect.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from qbcore.errors import BadExpression, Invalid
from qbcore.fields import UNSTORABLE, storable, whole
from qbcore.triggers import Event, Term, parse_trigger

QUBE, MAIL, WEBHOOK, PYTHON = "qube", "mail", "webhook", "python"
LANGUAGES = (QUBE, MAIL, WEBHOOK, PYTHON)
ACTS = (
    "unblock", "block", "fail", "kill", "migrate", "preempt", "interrupt", "suspend", "resume", "retry", "requeue",
    "complete",
)  # fmt: skip
MAIL_STATUS = "mail-status"
READ_ONLY = frozenset(["id", "count", "ready", "state", "reason", "user", "jobid", "pgrp"])
LONGEST_CODE = 65536
MOST_TERMS = 100
SOONEST_UNIX = 10**8
"""A time of a trigger from here on is a moment in unix seconds; a smaller one counts from the submission."""
LATEST_UNIX = 32503680000  # the year 3000
_code = re.compile(rf"(?P<act>{'|'.join(ACTS)})-(?:(?P<unit>work|subjob|job)-)?self").fullmatch
_moment = re.compile(r"(?P<sign>\+?)(?P<seconds>[0-9]{1,11})(?:\.[0-9]*)?").fullmatch
_period = re.compile(r"(?:(?P<start>\+?[0-9.]+)-)?\+?(?P<period>[0-9]{1,9})").fullmatch


@dataclass(frozen=True, slots=True)
class Spec:
    """A well-formed callback. `tree` names terms by number: 0, or ["and", 0, ["or", 1, 2]]."""

    triggers: str
    tree: list[Any]
    terms: tuple[Term, ...]
    language: str
    code: str
    maximum: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Code:
    """One code of the language qube: what to do to the callback's own job, its item or its subjob."""

    act: str
    unit: str


def spec(given: Any, labels: Collection[str] = ()) -> Spec:
    """The columns of a callback; *labels* are those of its process group. Raises Invalid with the field."""
    if not isinstance(given, Mapping):
        raise Invalid(f"a callback must be a dictionary, not {type(given).__name__}", field="callback")
    trigger = parse_trigger(_triggers(given.get("triggers")), labels)
    if len(trigger.terms) > MOST_TERMS:
        raise Invalid(f"over {MOST_TERMS} events are too many for one callback", field="triggers")
    for term in trigger.terms:
        due_of(term, datetime.fromtimestamp(0, UTC))
    numbers = {term: place for place, term in enumerate(trigger.terms)}
    code = _text(given, "code")
    maximum = given.get("maximum", given.get("max"))
    data = {str(key): value for key, value in given.items() if key not in READ_ONLY}
    storable(data, "callback")
    return Spec(
        triggers=str(trigger),
        tree=_tree(trigger.root, numbers),
        terms=trigger.terms,
        language=_text(given, "language").strip().lower() or QUBE,
        code=code,
        maximum=0 if maximum in (None, "") else whole(maximum, "maximum", least=0),
        data=data,
    )


def _triggers(given: Any) -> str | Sequence[str]:
    if isinstance(given, str):
        return given
    if isinstance(given, (list, tuple)) and all(isinstance(one, str) for one in given):
        return list(given)
    raise Invalid("give a text or a list of texts", field="triggers", hint="Such as ['complete-job-self'].")


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key)
    value = "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{key} must be a text, not {type(value).__name__}", field=key)
    if value and (len(value) > LONGEST_CODE or UNSTORABLE.search(value)):
        raise Invalid(f"{key} must be a text of at most {LONGEST_CODE:,} characters without NUL", field=key)
    return value or ""


def _tree(event: Event, numbers: Mapping[Term, int]) -> list[Any]:
    if isinstance(event, Term):
        return ["or", numbers[event]]
    return [event.join, *(_tree(part, numbers) for part in event.parts)]


def fires(tree: Any, met: Collection[int]) -> bool:
    """Whether a condition holds when exactly the terms of these numbers are met."""
    if isinstance(tree, int):
        return tree in met
    join, *parts = tree
    answers = (fires(part, met) for part in parts)
    return all(answers) if join == "and" else any(answers)


def due_of(term: Term, now: datetime) -> datetime | None:
    """When a time or repeat term comes due first, counted from *now*; None for all others. Raises BadExpression."""
    if term.type == "time":
        return _when(term, term.extra, now)
    if term.type == "repeat":
        period = period_of(term.extra)
        start = _split_period(term.extra)[0]
        return _when(term, start, now) if start else now + timedelta(seconds=period)
    return None


def period_of(extra: str) -> int:
    """Seconds from one time to the next of a repeat term."""
    return _split_period(extra)[1]


def _split_period(extra: str) -> tuple[str, int]:
    found = _period(extra)
    if found is None or int(found["period"]) < 1:
        raise BadExpression(
            f"'{extra}' is no period", text=extra, position=0, field="triggers",
            hint="Write seconds, such as dummy-repeat-self-60, or start and period, such as dummy-repeat-self-0-60.",
        )  # fmt: skip
    return found["start"] or "", int(found["period"])


def _when(term: Term, text: str, now: datetime) -> datetime:
    found = _moment(text)
    if found is None or int(found["seconds"]) > LATEST_UNIX:
        raise BadExpression(
            f"'{text}' is no time", text=str(term), position=len(str(term)) - len(term.extra), field="triggers",
            hint="Write unix seconds, or +60 for a minute after the submission.",
        )  # fmt: skip
    seconds = int(found["seconds"])
    if not found["sign"] and seconds >= SOONEST_UNIX:
        return datetime.fromtimestamp(seconds, UTC)
    return now + timedelta(seconds=min(seconds, SOONEST_UNIX))


def codes(code: str) -> list[Code]:
    """The codes of the language qube in a text, separated by newlines, semicolons or commas. Raises Invalid."""
    found = []
    for word in filter(None, (part.strip().lower() for part in re.split(r"[\n;,]", code))):
        match = _code(word)
        if match is None and word != MAIL_STATUS:
            raise Invalid(
                f"{word[:60]!r} is no code of the language qube",
                field="code",
                hint=f"Write {', '.join(ACTS[:3])}, … followed by -self, -work-self or -subjob-self, or mail-status.",
            )
        found.append(Code(match["act"], match["unit"] or "job") if match else Code(MAIL_STATUS, "job"))
    if not found:
        raise Invalid("a callback of the language qube needs a code", field="code", hint="Such as unblock-self.")
    return found
