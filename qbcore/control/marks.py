"""Which items and subjobs turned to what, as a delta carries it to the fold: 'w16:0-4;s336:2;a336:2'.

It is part of the delta that is written anyway, so a job to which nobody listens pays nothing, and who begins to listen
misses nothing: what was not folded yet tells it still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qbcore import spans
from qbcore.states import Status

WORK, SUBJOB, ASSIGNED = "w", "s", "a"


@dataclass(frozen=True, slots=True)
class Turn:
    """Items (by position) or subjobs that took on a status together. ASSIGNED: subjobs placed on a host."""

    kind: str
    status: Status
    places: spans.Spans


def text(kind: str, turned: Mapping[Status, Iterable[int]]) -> str:
    """What a delta says of the places that turned, by their new status."""
    return ";".join(_part(kind, status, spans.of(sorted(set(at)))) for status, at in turned.items())


def _part(kind: str, status: Status, places: spans.Spans) -> str:
    return f"{kind}{int(status)}:{spans.text(places)}"


def work(status: Status, places: spans.Spans) -> str:
    """The same for items that are known as runs of neighbours."""
    return _part(WORK, status, places)


def parse(texts: Iterable[str]) -> list[Turn]:
    """What the deltas say, in their order."""
    return [_turn(part) for text in texts if text for part in text.split(";")]


def _turn(part: str) -> Turn:
    head, _, places = part.partition(":")
    return Turn(head[0], Status(int(head[1:])), spans.parse(places))


def places(turns: Sequence[Turn], kind: str, statuses: Iterable[Status]) -> spans.Spans:
    """All places of that kind that took on one of the statuses."""
    wanted = frozenset(statuses)
    return spans.joined(span for turn in turns if turn.kind == kind and turn.status in wanted for span in turn.places)
