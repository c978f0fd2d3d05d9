"""Hosts of a seeded farm."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from qbcore.states import HostState

AHEAD = timedelta(days=365)
"""No worker speaks for a seeded host: its last sign of life is dated ahead, or the farm would give it up at once."""


@dataclass(slots=True)
class HostPlan:
    """A host. `memory` in MB, `cpu` 0 to 1; `slots` are its processors for jobs."""

    name: str
    groups: str = ""
    cluster: str = "/"
    restrictions: str = ""
    slots: int = 16
    cores: int = 32
    memory: int = 128 * 1024
    state: HostState = HostState.ACTIVE
    locked: bool = False
    banned: bool = False
    reason: str = ""
    cpu: float = 0.0
    used_memory: float = 0.0
    properties: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    calendar: str = ""
    id: int = 0
    free: int = 0

    def row(self, now: datetime, nth: int) -> dict[str, Any]:
        totals = {"processors": self.slots, "memory": self.memory, "swap": 8192}
        properties = {"cores": self.cores, **self.properties}
        lives = self.state == HostState.ACTIVE
        return {
            "id": self.id,
            "name": self.name,
            "token": hashlib.sha256(f"seeded {self.name}".encode()).hexdigest(),  # of no token that anybody has
            "state": str(self.state),
            "seen": now + AHEAD if lives else now - timedelta(minutes=40 + nth % 300),
            "joined": now - timedelta(days=41),
            "address": f"10.{20 + nth // 62500}.{nth // 250 % 250}.{nth % 250 + 1}",
            "macaddress": f"02:00:00:{nth >> 16 & 255:02x}:{nth >> 8 & 255:02x}:{nth & 255:02x}",
            "os": "linux",
            "architecture": "x86_64",
            "version": "0.3.0",
            "cluster": self.cluster,
            "groups": self.groups,
            "restrictions": self.restrictions,
            "jobtypes": ["cmdline", "cmdrange", "pyCmdline", "pyCmdrange"],
            "told": {"resources": totals, "properties": properties},
            "totals": totals,
            "properties": properties,
            "load_cpu": self.cpu if lives else 0.0,
            "load_memory": self.used_memory if lives else 0.0,
            "locked": self.locked,
            "banned": self.banned,
            "reason": self.reason or ("" if lives else "no sign of life"),
            "calendar": self.calendar,
            "facts": dict(self.facts),
            "updated": now,
        }
