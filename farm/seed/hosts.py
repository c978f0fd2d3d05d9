"""The hosts of the invented studio."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from qbcore.seeding.hosts import HostPlan
from qbcore.states import HostState


@dataclass(frozen=True, slots=True)
class Room:
    """Hosts that are alike. `memory` in GB; `first` is the number of the first."""

    group: str
    name: str
    first: int
    count: int
    cores: int
    memory: int
    slots: int
    cluster: str
    gpus: int = 0
    calendar: str = ""


PICTURED = (
    Room("lighting", "render", 1, 120, 32, 128, 16, "/aurora"),
    Room("fx sim", "render", 121, 72, 64, 256, 16, "/aurora/fx"),
    Room("gpu", "gpu", 1, 48, 32, 128, 12, "/", gpus=2),
    Room("comp", "comp", 1, 48, 16, 64, 12, "/comet"),
    Room("night desks", "ws", 101, 24, 16, 64, 11, "/", calendar="mon-fri 08:00-19:00"),
)
DOWN = frozenset(
    (
        *("render-013", "render-056", "render-057", "render-058", "render-129", "render-161", "gpu-004", "gpu-030"),
        *("comp-020", "comp-021", "comp-045", "ws-103", "ws-110", "ws-118"),
    )
)
LOCKED = {
    "render-031": "disk errors, ticket 4411",
    "render-088": "memory test",
    "render-143": "kernel update",
    "comp-008": "artist sits at it",
    "ws-113": "artist sits at it",
}
BANNED = {"render-181": "fails one frame in three", "gpu-037": "card 1 throws ECC errors"}


def pictured(dice: random.Random) -> list[HostPlan]:
    """312 hosts: 291 active, 14 down, 5 locked, 2 banned."""
    hosts = [host for room in PICTURED for host in _room(room, dice)]
    for host in hosts:
        if host.name in DOWN:
            host.state = HostState.DOWN
        host.locked, host.banned = host.name in LOCKED, host.name in BANNED
        host.reason = LOCKED.get(host.name, BANNED.get(host.name, ""))
    return hosts


def many(count: int, dice: random.Random) -> list[HostPlan]:
    """So many hosts in the rooms' shares; two of a hundred are down, one is locked."""
    rooms = [*PICTURED[:4]]
    share = [round(count * room.count / sum(one.count for one in rooms)) for room in rooms]
    share[0] += count - sum(share)
    hosts: list[HostPlan] = []
    for room, size in zip(rooms, share, strict=True):
        name = f"{room.name}{room.group[0]}" if room.group == "fx sim" else room.name
        hosts += _room(
            Room(room.group, name, 1, size, room.cores, room.memory, room.slots, room.cluster, room.gpus), dice
        )
    for host in hosts:
        chance = dice.random()
        host.state = HostState.DOWN if chance < 0.02 else HostState.ACTIVE
        host.locked, host.reason = (True, "kernel update") if 0.02 <= chance < 0.03 else (False, "")
    return hosts


def _room(room: Room, dice: random.Random) -> Iterator[HostPlan]:
    for number in range(room.first, room.first + room.count):
        yield HostPlan(
            name=f"{room.name}-{number:03d}",
            groups=f"{room.group.replace(' ', '_')},linux",
            cluster=room.cluster,
            slots=room.slots,
            cores=room.cores,
            memory=room.memory * 1024,
            cpu=round(min(1.0, max(0.02, dice.gauss(0.81, 0.12))), 3),
            used_memory=round(room.memory * 1024 * min(0.98, max(0.05, dice.gauss(0.64, 0.14)))),
            properties={"gpus": room.gpus} if room.gpus else {},
            facts={"release": "Rocky Linux 9.4", "kernel": "5.14.0", "model": f"{room.cores} cores"},
            calendar=room.calendar,
        )
