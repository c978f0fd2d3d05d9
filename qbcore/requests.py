"""What a worker's request says, checked field by field: a worker is just another program. docs/worker.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qbcore.control.attempts import Report
from qbcore.control.flights import UNIT
from qbcore.errors import Invalid
from qbcore.remote.wire import DEEPEST

MOST = 1024
REASONS = ("exit", "timelimit", "agenda_timelimit", "ended", "spawn", "outputs")


NUMBERS = (int, float)
LIMITS = {bits: 2**bits for bits in (31, 62, 63)}


def whole(line: Mapping[str, Any], key: str, default: int | None = None, bits: int = 63) -> int:
    value = line.get(key, default)
    if type(value) is not int or not -LIMITS[bits] < value < LIMITS[bits]:  # a bool is none
        raise Invalid(f"{value!r} is not a whole number", field=key)
    return value


def rows_of(body: Mapping[str, Any], key: str) -> list[Any]:
    rows = body.get(key) or []
    if not isinstance(rows, list) or len(rows) > MOST:
        raise Invalid(f"{key} must be a list of at most {MOST}", field=key)
    return rows


def ids_of(body: Mapping[str, Any], key: str) -> list[int]:
    rows = rows_of(body, key)
    if any(type(one) is not int for one in rows):
        raise Invalid(f"{key} must be a list of numbers", field=key)
    return rows


def shown_of(body: Mapping[str, Any]) -> dict[int, int]:
    """Programs whose files the worker asks for, each with the last item that it was told of."""
    shown = body.get("shown")
    if not isinstance(shown, Mapping):
        raise Invalid("shown must be a dictionary of attempts", field="shown")
    try:
        return {whole({"shown": int(key)}, "shown"): whole({"shown": item}, "shown") for key, item in shown.items()}
    except ValueError as wrong:
        raise Invalid("shown names attempts by their numbers", field="shown") from wrong


def report_of(line: Any, number: int) -> tuple[int, Report]:
    """One report, checked field by field."""
    if type(line) is not dict:
        raise Invalid("a report must be a dictionary", field=f"reports[{number}]")
    reason = line.get("reason", "exit")
    if reason not in REASONS:
        raise Invalid(
            f"{reason!r} is no reason", field=f"reports[{number}].reason", hint=f"Give one of {', '.join(REASONS)}."
        )
    message, result = line.get("message"), line.get("result")
    report = Report(
        attempt=whole(line, "attempt"),
        pos=whole(line, "pos", UNIT, bits=31),
        exit_code=None if line.get("exit") is None else whole(line, "exit", bits=31),
        signal=None if line.get("signal") is None else whole(line, "signal", bits=31),
        seconds=_amount(line, "elapsed"),
        reason=reason,
        message=str(message).replace("\x00", "")[:1000] if message else "",
        rss=int(_amount(line, "rss")),
        cpu=_amount(line, "cpu"),
        out=_span(line, "out"),
        err=_span(line, "err"),
        result=_storable(result) if result not in (None, {}) else None,
    )
    return whole(line, "grant"), report


def _storable(value: Any, deep: int = 0) -> Any:
    """What a job gave, as every database stores it: a report must not be stuck because of a character."""
    if deep > DEEPEST:
        raise Invalid(f"a result is nested at most {DEEPEST} levels deep", field="result")
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, list):
        return [_storable(one, deep + 1) for one in value]
    if isinstance(value, Mapping):
        return {str(_storable(key)): _storable(one, deep + 1) for key, one in value.items()}
    return value


def _amount(line: Mapping[str, Any], key: str) -> float:
    value = line.get(key) or 0
    if type(value) not in NUMBERS or not 0 <= value < LIMITS[62]:
        raise Invalid(f"{value!r} is no amount", field=key)
    return float(value)


def _span(line: Mapping[str, Any], key: str) -> tuple[int, int]:
    span = line.get(key)
    if not span:
        return 0, 0
    if type(span) is not list or len(span) != 2 or type(span[0]) is not int or type(span[1]) is not int:
        raise Invalid(f"{key} must be two byte offsets", field=key)
    start, end = span
    if not 0 <= start <= end < LIMITS[62]:
        raise Invalid(f"{key} must be a byte range that does not run backwards", field=key)
    return start, end
