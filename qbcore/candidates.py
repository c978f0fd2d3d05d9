"""The two sides of dispatch: what waits, and what a host has to offer; and the operands where they meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from qbcore.values import Facts

Amounts: TypeAlias = Mapping[str, float]

NOTHING: Mapping[str, Any] = MappingProxyType({})

# What runs on a host is known by these fields of its jobs; where nothing runs they are empty, not lacking.
DUTY_FIELDS = (
    "id", "name", "label", "user", "account", "kind", "type", "prototype", "cluster", "pgrp", "priority",
    "prod_show", "prod_shot", "prod_seq", "prod_client", "prod_dept",
)  # fmt: skip

_OWN_FIELDS = (
    "id", "priority", "localorder", "cluster", "requirements", "restrictions", "reservations", "hosts", "groups",
    "omithosts", "omitgroups", "hostorder", "prototype", "user", "flags",
)  # fmt: skip
_OWN = {f"job.{name}": name for name in _OWN_FIELDS} | {"job.type": "prototype"}
_NO_DUTY = {f"host.duty.{name}": "" for name in DUTY_FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job that may have something to start; texts are as its job has them."""

    id: int
    priority: int = 9999
    localorder: int = 0
    cluster: str = "/"
    requirements: str = ""
    restrictions: str = ""
    reservations: str = ""
    hosts: str = ""
    groups: str = ""
    omithosts: str = ""
    omitgroups: str = ""
    hostorder: str = ""
    prototype: str = ""
    user: str = ""
    flags: int = 0
    wanted: int = 1
    """Subjobs that could start now."""
    facts: Facts = field(default_factory=lambda: NOTHING, compare=False)
    """Further job.* operands by their full name ('job.prod_show'); asked only where a requirement names one."""

    @property
    def rank(self) -> tuple[int, int, int]:
        """Its place among the jobs of its cluster; smaller goes first."""
        return (self.priority, self.localorder, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """A host as dispatch sees it at one moment."""

    id: int
    name: str
    state: str = "active"
    cluster: str = "/"
    """A comma list; the root where it is empty."""
    groups: tuple[str, ...] = ()
    restrictions: str = ""
    """A cluster expression: which jobs it takes."""
    jobtypes: tuple[str, ...] | None = None
    """The job types it can run; None is any."""
    locked: bool = False
    lock: str = ""
    """What it is then, in words: 'locked by its calendar until mon 18:00'."""
    banned: bool = False
    totals: Amounts = field(default_factory=lambda: NOTHING)
    """What it has, by short name: {'processors': 8, 'memory': 16000} (MB)."""
    used: Amounts = field(default_factory=lambda: NOTHING)
    properties: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    """Further standing facts by short lower-case name: {'os': 'linux'}."""
    duty: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: NOTHING)
    """What runs on it: for a field of jobs, how many running subjobs have which value."""
    idle: bool = True
    avoid: frozenset[int] = frozenset()
    """Ids of jobs that it is not given again."""

    def emptied(self) -> HostView:
        """The same host if nothing ran on it: for asking what it could run rather than what it can start now."""
        return replace(self, used=NOTHING, duty=NOTHING, idle=True)

    def free(self) -> dict[str, float]:
        """What is not in use, by resource ('host.memory')."""
        used = self.used
        return {f"host.{name}": total - used.get(name, 0) for name, total in self.totals.items()}

    def standing_facts(self) -> dict[str, Any]:
        """The operands that stay as they are while it works."""
        facts: dict[str, Any] = {f"host.{name}": value for name, value in self.properties.items()}
        for name, total in self.totals.items():
            facts[f"host.{name}"] = facts[f"host.{name}.total"] = total
        own = {"name": self.name, "cluster": self.cluster or "/", "groups": self.groups, "jobtypes": self.jobtypes}
        facts.update({f"host.{name}": value for name, value in own.items()})
        facts["host.restrictions"] = self.restrictions
        return facts

    def facts(self) -> dict[str, Any]:
        """Every host.* operand."""
        facts = self.standing_facts() | _NO_DUTY
        facts["host.state"] = self.state
        for name, total in self.totals.items():
            facts[f"host.{name}.used"] = used = self.used.get(name, 0)
            facts[f"host.{name}.avail"] = total - used
        for name, counts in self.duty.items():
            facts[f"host.duty.{name}"] = tuple(value for value, count in counts.items() if count)
        if "type" not in self.duty:
            facts["host.duty.type"] = facts["host.duty.prototype"]
        return facts


class Meeting(Mapping[str, Any]):
    """The operands where a host and a job meet; the job's are looked up only when asked."""

    __slots__ = ("candidate", "host")

    def __init__(self, host: Facts, candidate: Candidate) -> None:
        self.host = host
        self.candidate = candidate

    def get(self, name: str, default: Any = None) -> Any:
        if not name.startswith("job."):
            return self.host.get(name, default)
        own = _OWN.get(name)
        return self.candidate.facts.get(name, default) if own is None else getattr(self.candidate, own)

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter({*self.host, *_OWN, *self.candidate.facts})

    def __len__(self) -> int:
        return len(set(iter(self)))
