"""The words of the invented studio."""

from __future__ import annotations

import random
from dataclasses import dataclass

from qbcore.seeding.jobs import Failure


@dataclass(frozen=True, slots=True)
class Department:
    """A department: its part of a job's name, its cluster, what its frames take (seconds, processors)."""

    short: str
    cluster: str
    tasks: tuple[str, ...]
    average: float
    take: int


DEPARTMENTS = (
    Department("anm", "anim", ("playblast", "cache"), 41, 2),
    Department("lgt", "lighting", ("beauty", "volumes", "crypto", "light-aovs"), 411, 8),
    Department("fx", "fx", ("kelpsim", "bubbles", "splash", "dust"), 1267, 16),
    Department("env", "envir", ("cavewall", "reef", "setdress"), 245, 8),
    Department("cfx", "cfx", ("hair", "cloth"), 760, 8),
    Department("cmp", "comp", ("precomp", "final", "denoise"), 78, 4),
)
SHOWS = ("aurora", "basilisk", "comet", "dune7", "ember", "fjord", "glass", "harbour")
USERS = (
    *("mira", "jonas", "priya", "tkchen", "olu", "sven", "anouk", "beto", "carys", "dmitri", "elif", "farah"),
    *("goran", "hana", "ines", "joao", "kofi", "lena", "marek", "nadia", "omar", "petra", "quinn", "rosa"),
)

TEXTURE = Failure(
    "ERROR texture kelp_disp.1043.tx: read error",
    "ERROR texture <file>: read error",
    before=(
        "WARNING: slow read, 8.4 s for 64 KB",
        "WARNING: retry 1 of 3, block 118",
        "WARNING: retry 3 of 3, block 118",
    ),
    after=("  block 118/256, errno 5 (Input/output)", "render aborted, exit 1"),
)
LICENCE = Failure(
    "ERROR could not check out a licence: all 40 are in use",
    "ERROR could not check out a licence: all <n> are in use",
    after=("giving up after 300 s",),
    exit_code=211,
)
MEMORY = Failure(
    "FATAL out of memory: could not allocate 2147483648 bytes",
    "FATAL out of memory: could not allocate <n> bytes",
    before=("WARNING: 61.3 GB in use",),
    exit_code=134,
    signal=6,
)
MISSING = Failure(
    "ERROR cannot open /mnt/aurora/cache/fx/bubbles.1187.vdb: No such file or directory",
    "ERROR cannot open <file>: No such file or directory",
    after=("render aborted, exit 1",),
)
CRASH = Failure("Segmentation fault (core dumped)", "Segmentation fault (core dumped)", exit_code=139, signal=11)
FAILURES = (TEXTURE, LICENCE, MEMORY, MISSING, CRASH)


def shot(dice: random.Random, department: Department) -> str:
    """A job's name such as sq020_0140_lgt_beauty_v037."""
    sequence = f"sq{dice.randrange(1, 60):03d}_{dice.randrange(1, 40) * 10:04d}"
    return f"{sequence}_{department.short}_{dice.choice(department.tasks)}_v{dice.randrange(1, 64):03d}"
