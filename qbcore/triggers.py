"""What a job waits for and what a callback listens to: `complete-job-render`, `failed-work-self-* && done-job-250`.

A dependency is a comma list of links that must all come true. A trigger is a condition over events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, TypeAlias

from qbcore.errors import BadExpression

STATES = ("complete", "failed", "killed", "done")
KINDS = ("job", "work", "subjob")
NAMES = (*STATES, "submit", "blocked", "running", "waiting", "assigned", "removed", "modified", "timeout", "dummy")
TYPES = (*KINDS, "host", "time", "repeat")
MAX_DEPTH = 50  # parentheses inside each other

_HAS_EXTRA = ("work", "subjob", "host")  # left out, the extra of these means any
_NEEDS_EXTRA = ("time", "repeat")

_link = re.compile(
    rf"(?P<link>link-)?(?P<state>{'|'.join(STATES)})-(?P<kind>{'|'.join(KINDS)})-(?P<target>.*)", re.IGNORECASE
).fullmatch
_part_of = re.compile(r"(?P<target>[0-9]+)[:.-](?P<extra>.+)|(?P<label>[^:]+):(?P<item>.+)").fullmatch
_EVENT = rf"(?:{'|'.join(NAMES)})-(?:{'|'.join(TYPES)})-"
_event = re.compile(rf"(?P<name>{'|'.join(NAMES)})-(?P<type>{'|'.join(TYPES)})-", re.IGNORECASE).match
# An item's name may hold anything, so `and` joins only where another event follows it.
_join = re.compile(
    rf"\s*(?P<sign>&&|\|\|)\s*|(?:\s+|(?<=\)))(?P<word>and|or)(?:\s+|(?=\())(?=[(\s]*{_EVENT})", re.IGNORECASE
).match
_JOINS = {"&&": "and", "||": "or", "and": "and", "or": "or"}

_LINK_HINT = f"Expected an id, or {'|'.join(STATES)} - {'|'.join(KINDS)} - id or label, such as complete-job-render."
_EVENT_HINT = "Expected name-type-context, such as complete-job-self or failed-work-self-*."


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that a job waits for."""

    link: bool = False
    """Whether it was written with 'link-' before it."""
    state: str = "complete"
    """'complete', 'failed', 'killed', or 'done' which is any of the three."""
    kind: str = "job"
    """'job', 'work' or 'subjob'."""
    target: str = ""
    """The id of a job, or a label in the process group."""
    extra: str = ""
    """The item or the subjob where one is named: 'complete-work-250:7' waits for item 7 of job 250."""

    @property
    def id(self) -> int | None:
        """The target as a job's id; None when it is a label."""
        return int(self.target) if self.target.isascii() and self.target.isdigit() else None

    def __str__(self) -> str:
        extra = f"{'.' if self.kind == 'subjob' and self.id is not None else ':'}{self.extra}" if self.extra else ""
        return f"{'link-' if self.link else ''}{self.state}-{self.kind}-{self.target}{extra}"


@dataclass(frozen=True, slots=True)
class Term:
    """One event: `name` happening to a `type` in a `context`."""

    name: str
    type: str
    context: str
    """'self', 'parent', a label in the process group, or a job's id."""
    extra: str = ""
    """The item, subjob, host or time meant; '*' is any."""

    def __str__(self) -> str:
        return f"{self.name}-{self.type}-{self.context}" + (f"-{self.extra}" if self.extra else "")


@dataclass(frozen=True, slots=True)
class Group:
    """Events or groups joined by one sign."""

    join: str
    """'and' or 'or'."""
    parts: tuple[Event, ...]

    def __str__(self) -> str:
        # A term swallows a closing parenthesis only if it opened it, so brackets are safe round any group.
        return f" {'&&' if self.join == 'and' else '||'} ".join(
            f"({part})" if isinstance(part, Group) else str(part) for part in self.parts
        )


Event: TypeAlias = Term | Group


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a callback fires."""

    root: Event

    @property
    def terms(self) -> tuple[Term, ...]:
        """The events it listens to, each once, in the order of the text."""
        return tuple(dict.fromkeys(_terms(self.root)))

    def fires(self, satisfied: Callable[[Term], bool]) -> bool:
        """Whether it fires when exactly the terms hold that `satisfied` says."""
        return _fires(self.root, satisfied)

    def __str__(self) -> str:
        return str(self.root)


def parse_dependency(text: str, *, field: str = "dependency") -> tuple[Link, ...]:
    """The links of a comma list; a bare id means complete-job. Nothing in it: no links.

    Raises BadExpression with the position (characters from 0) of the link that is malformed.
    """
    links = []
    position = 0
    for part in text.split(",") if text.strip() else ():
        at = position + len(part) - len(part.lstrip())
        links.append(_linked(part.strip(), text, at, field))
        position += len(part) + 1
    return tuple(links)


def parse_trigger(written: str | Sequence[str], labels: Collection[str] = (), *, field: str = "triggers") -> Trigger:
    """When to fire: one condition, or a list of which any will do.

    A context ends at its first hyphen unless `labels` holds it: name the labels of the process group there. Raises
    BadExpression with the position (characters from 0, in its own text) and a hint.
    """
    texts = (written,) if isinstance(written, str) else tuple(written)
    if not texts:
        _fail("no trigger is given", "", 0, _EVENT_HINT, field)
    known = frozenset(label for label in labels if "-" in label)
    return Trigger(_joined("or", [_read(text, known, field) for text in texts]))


def print_dependency(links: Sequence[Link]) -> str:
    """The comma list that `parse_dependency` reads back as these links."""
    return ",".join(map(str, links))


def _linked(word: str, text: str, at: int, field: str) -> Link:
    if word.isascii() and word.isdigit():
        return Link(target=word)
    found = _link(word)
    if found is None:
        problem = f"'{word}' is nothing to wait for" if word else "a job to wait for is missing"
        _fail(problem, text, at, _LINK_HINT, field)
    target, kind = found["target"].strip(), found["kind"].lower()
    if not target:
        _fail(f"'{word}' names no job", text, at + len(word), "Expected an id or a label at its end.", field)
    extra = ""
    if kind != "job" and (part := _part_of(target)):
        target, extra = (part["target"], part["extra"]) if part["target"] else (part["label"], part["item"])
    return Link(bool(found["link"]), found["state"].lower(), kind, target, extra)


@lru_cache(maxsize=4096)
def _read(text: str, labels: frozenset[str], field: str) -> Event:
    return _Reader(text, labels, field).whole()


class _Reader:
    """One reading of one trigger's text."""

    def __init__(self, text: str, labels: frozenset[str], field: str) -> None:
        self.text = text
        self.labels = labels
        self.field = field
        self.position = 0
        self.depth = 0

    def whole(self) -> Event:
        event = self.either()
        if self.position < len(self.text):
            self.fail("this parenthesis was never opened", self.position, "Remove it, or open it before.")
        return event

    def either(self) -> Event:
        parts = [self.every()]
        while self.joins("or"):
            parts.append(self.every())
        return _joined("or", parts)

    def every(self) -> Event:
        parts = [self.one()]
        while self.joins("and"):
            parts.append(self.one())
        return _joined("and", parts)

    def joins(self, wanted: str) -> bool:
        """Step over the sign when it is the wanted one."""
        found = _join(self.text, self.position)
        if found is None or _JOINS[(found["sign"] or found["word"]).lower()] != wanted:
            return False
        self.position = found.end()
        return True

    def one(self) -> Event:
        self.skip()
        if self.text[self.position : self.position + 1] != "(":
            return self.term()
        opened = self.position
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH}", opened, "Use fewer parentheses.")
        self.position += 1
        event = self.either()
        if self.text[self.position : self.position + 1] != ")":
            self.fail("this parenthesis is never closed", opened, "Expected ')' later on.")
        self.position += 1
        self.depth -= 1
        if not _join(self.text, self.position):
            self.skip()
            if self.text[self.position : self.position + 1] not in ("", ")"):
                self.fail("a sign is missing after the parenthesis", self.position, "Expected && or ||.")
        return event

    def term(self) -> Term:
        start = self.position
        found = _event(self.text, start)
        if found is None:
            shown = re.split(r"[\s()&|]", self.text[start:], maxsplit=1)[0]
            self.fail(f"'{shown}' is no event" if shown else "an event is missing", start, _EVENT_HINT)
        self.position = found.end()
        name, kind, rest = found["name"].lower(), found["type"].lower(), self.rest()
        context, extra = self.split(rest, kind)
        if not context:
            self.fail(f"'{name}-{kind}-' has no context", found.end(), "Expected self, parent, a label or an id.")
        if kind in _NEEDS_EXTRA and not extra:
            self.fail(f"'{name}-{kind}-{context}' has no time", self.position, "Expected - and a time in seconds.")
        return Term(name, kind, context, extra or ("*" if kind in _HAS_EXTRA else ""))

    def rest(self) -> str:
        """The text of a term up to the sign or the parenthesis that ends it; parentheses in pairs belong to it."""
        start, opened = self.position, 0
        while self.position < len(self.text):
            letter = self.text[self.position]
            if _join(self.text, self.position) or (letter == ")" and not opened):
                break
            opened += (letter == "(") - (letter == ")")
            self.position += 1
        found = self.text[start : self.position].strip()
        if opened:
            self.fail("this parenthesis is never closed", self.text.index("(", start), "Expected ')' later on.")
        return found

    def split(self, rest: str, kind: str) -> tuple[str, str]:
        """Context and extra: a job has no extra, so its label may hold hyphens; else the context is known or short."""
        if kind == "job":
            return rest, ""
        known = [label for label in self.labels if rest == label or rest.startswith(label + "-")]
        context = max(known, key=len, default=rest.partition("-")[0])
        return context, rest[len(context) + 1 :]

    def skip(self) -> None:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1

    def fail(self, problem: str, at: int, hint: str) -> NoReturn:
        _fail(problem, self.text, at, hint, self.field)


def _joined(join: str, parts: list[Event]) -> Event:
    """One node for parts joined by one sign, without groups of the same sign inside it."""
    flat: list[Event] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Group) and part.join == join else (part,))
    return flat[0] if len(flat) == 1 else Group(join, tuple(flat))


def _terms(event: Event) -> Iterator[Term]:
    if isinstance(event, Term):
        yield event
    else:
        for part in event.parts:
            yield from _terms(part)


def _fires(event: Event, satisfied: Callable[[Term], bool]) -> bool:
    if isinstance(event, Term):
        return satisfied(event)
    answers = (_fires(part, satisfied) for part in event.parts)
    return all(answers) if event.join == "and" else any(answers)


def _fail(problem: str, text: str, at: int, hint: str, field: str) -> NoReturn:
    raise BadExpression(problem, text=text, position=at, hint=hint, field=field)
