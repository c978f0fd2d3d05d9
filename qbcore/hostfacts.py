"""What a worker says of its host: checked, because a worker is just another program; what operators set wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qbcore.errors import Invalid
from qbcore.models import HostRow

MOST_SLOTS = 4096
TEXT_FACTS = ("os", "architecture", "address", "macaddress", "version")
SHOWN = ("release", "kernel", "model")
"""Texts that are only shown and asked for as properties: the system's release, its kernel, the processor."""
OWN = {"cluster": "/", "groups": ""}
"""Columns that a worker's configuration may say, and what a new host has. What operators set since stands."""
COLUMNS = [*TEXT_FACTS, *OWN, "told", "totals", "properties", "jobtypes", "facts"]
"""All that `take` changes."""


def take(host: HostRow, facts: Any) -> None:
    """What a worker says of its host, into its row, which the caller saves. Raises Invalid."""
    if not isinstance(facts, Mapping):
        raise Invalid("facts must be a dictionary", field="facts")
    for key in TEXT_FACTS:
        setattr(host, key, _plain(facts.get(key) or ""))
    slots = _amount(facts, "slots") or _amount(facts, "processors") or 1
    if not 1 <= slots <= MOST_SLOTS:
        raise Invalid(f"{slots:g} is no number of slots", field="facts.slots", hint=f"Give 1 to {MOST_SLOTS}.")
    resources = _dictionary(facts, "resources")
    totals: dict[str, float] = {_plain(key): _amount(resources, key) for key in resources}
    totals |= {"processors": int(slots), "memory": _amount(facts, "memory"), "swap": _amount(facts, "swap")}
    host.facts = _shown(facts)
    properties = _measured(facts, len(host.facts.get("gpus", [])))
    properties |= {_plain(key): _fact(value) for key, value in _dictionary(facts, "properties").items()}
    own = _own(host, facts)
    host.told = {"resources": totals, "properties": properties, **own}
    host.totals, host.properties = with_settings(host)
    host.jobtypes = _names(facts, "jobtypes", 200)


def _measured(facts: Mapping[str, Any], gpus: int) -> dict[str, Any]:
    """Properties that a requirement may ask for: host.cores, host.gpus, host.kernel."""
    found: dict[str, Any] = {key: _plain(facts.get(key) or "") for key in ("release", "kernel")}
    found |= {"processor_speed": _amount(facts, "processor_speed"), "cores": _amount(facts, "processors"), "gpus": gpus}
    return {key: value for key, value in found.items() if value}


def _shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: _plain(facts.get(key) or "") for key in SHOWN}
    found |= {"cores": int(_amount(facts, "cores")), "gpus": _names(facts, "gpus", 32)}
    return {key: value for key, value in found.items() if value}


def _own(host: HostRow, facts: Mapping[str, Any]) -> dict[str, str]:
    """What the worker's configuration says of cluster and groups; a column that operators changed keeps that."""
    said: dict[str, str] = {}
    for column, default in OWN.items():
        before = host.told.get(column, default)
        said[column] = _plain(facts.get(column) or default)
        if getattr(host, column) == before:
            setattr(host, column, said[column])
    return said


def _names(facts: Mapping[str, Any], key: str, most: int) -> list[str]:
    names = facts.get(key) or []
    if not isinstance(names, list):
        raise Invalid(f"{key} must be a list of names", field=f"facts.{key}")
    return [_plain(one) for one in names[:most]]


def load(said: Any) -> tuple[float, float]:
    """How busy a worker says that its host is: processors 0 to 1, memory in MB. Raises Invalid."""
    said = said if isinstance(said, Mapping) else {}
    return _amount(said, "cpu"), _amount(said, "memory")


def with_settings(host: HostRow) -> tuple[dict[str, Any], dict[str, Any]]:
    """Resources and properties: what operators set wins over what the worker says."""
    return (
        {**host.told.get("resources", {}), **host.set_resources},
        {**host.told.get("properties", {}), **host.set_properties},
    )


def _plain(value: Any) -> str:
    """A short text that every database stores."""
    return str(value).replace("\x00", "")[:200]


def _fact(value: Any) -> str | int | float | bool:
    return value if isinstance(value, (int, float, bool)) else _plain(value)


def _dictionary(facts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = facts.get(key) or {}
    if not isinstance(value, Mapping):
        raise Invalid(f"{key} must be a dictionary", field=f"facts.{key}")
    return value


def _amount(facts: Mapping[str, Any], key: str) -> float:
    value = facts.get(key) or 0
    return amount(value if isinstance(value, (int, float)) else None, f"facts.{key}")


def amount(value: Any, field: str) -> float:
    """So much of something, as a number or its text. Raises Invalid for less than nothing and for no number."""
    try:
        found = -1.0 if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found < 1e12:
        raise Invalid(f"{value!r:.60} is no amount", field=field, hint="Give a number from 0.")
    return found
