"""Clusters: paths such as /show/comp, how far apart two are, and the expressions that name several.

Also the comma lists of names that jobs use to choose hosts and groups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from qbcore.errors import BadExpression

_or = re.compile(r"\s*(?:\|\||,)\s*|\s+or\s+", re.IGNORECASE)
_segment = re.compile(r"[^\s/*+|,]+").fullmatch


@lru_cache(maxsize=4096)
def cluster_parts(text: str) -> tuple[str, ...]:
    """The segments of a cluster path, none for the root: '/a/b/' and 'a/b' are ('a', 'b')."""
    return tuple(part for part in text.strip().split("/") if part)


@lru_cache(maxsize=4096)
def clusters_of(text: str) -> tuple[str, ...]:
    """The clusters that a host's comma list names; without any it is in the root."""
    return split_names(text) or ("/",)


@lru_cache(maxsize=65536)
def cluster_distance(host_cluster: str, job_cluster: str) -> tuple[int, int, int]:
    """How near a job's cluster is to a host's; smaller goes first, and before any priority.

    (0 if they are the same else 1, steps down from their nearest common ancestor to the job's cluster, steps up from
    the host's cluster to it). A host that lists several clusters takes its best.
    """
    job = cluster_parts(job_cluster)
    return min(_distance(cluster_parts(one), job) for one in clusters_of(host_cluster))


def _distance(host: tuple[str, ...], job: tuple[str, ...]) -> tuple[int, int, int]:
    shared = 0
    while shared < min(len(host), len(job)) and host[shared] == job[shared]:
        shared += 1
    return (0 if host == job else 1, len(job) - shared, len(host) - shared)


@lru_cache(maxsize=4096)
def split_names(text: str) -> tuple[str, ...]:
    """The names of a comma list such as `hosts` or `groups`, without spaces around them; empty ones are dropped."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One cluster of an expression: '' after it means itself, '*' one level below, '+' itself and all below."""

    parts: tuple[str, ...]
    below: str = ""

    def matches(self, cluster: str) -> bool:
        parts = cluster_parts(cluster)
        if parts[: len(self.parts)] != self.parts:
            return False
        deeper = len(parts) - len(self.parts)
        return self.below == "+" or deeper == (1 if self.below else 0)

    def __str__(self) -> str:
        return "/" + "/".join((*self.parts, self.below) if self.below else self.parts)


@dataclass(frozen=True, slots=True)
class Restrictions:
    """A cluster expression: one of its patterns must match; without any, every cluster does."""

    patterns: tuple[Pattern, ...]

    def allows(self, clusters: str) -> bool:
        """Whether one of the clusters of a comma list matches."""
        if not self.patterns:
            return True
        return any(pattern.matches(one) for one in clusters_of(clusters) for pattern in self.patterns)

    def __str__(self) -> str:
        return " || ".join(map(str, self.patterns))


@lru_cache(maxsize=4096)
def parse_restrictions(text: str, *, field: str = "restrictions") -> Restrictions:
    """The cluster expression in a text such as `/a || /a/* || /b/+` (`or` and a comma mean the same as `||`).

    Raises BadExpression with the position (characters from 0) of the pattern that is malformed.
    """
    if not text.strip():
        return Restrictions(())
    patterns = []
    start = 0
    for end, after in [*((found.start(), found.end()) for found in _or.finditer(text)), (len(text), len(text))]:
        patterns.append(_pattern(text, start, end, field))
        start = after
    return Restrictions(tuple(patterns))


def _pattern(text: str, start: int, end: int, field: str) -> Pattern:
    word = text[start:end].strip()
    at = start + len(text[start:end]) - len(text[start:end].lstrip())
    if not word.startswith("/"):
        problem = f"'{word}' is no cluster" if word else "a cluster is missing"
        hint = "Expected a path that begins with /, and || between two."
        raise BadExpression(problem, text=text, position=at, hint=hint, field=field)
    *parts, last = word[1:].rstrip("/").split("/")
    below = last if last in ("*", "+") else ""
    parts = parts if below or not last else [*parts, last]
    for part in parts:
        if not _segment(part):
            where = at + word.index(part, 1) if part else at
            hint = "Expected a name; * and + stand only at the end."
            raise BadExpression(f"'{part}' in '{word}'", text=text, position=where, hint=hint, field=field)
    return Pattern(tuple(parts), below)
