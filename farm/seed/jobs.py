"""The jobs of the invented studio."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from farm.seed.studio import DEPARTMENTS, FAILURES, SHOWS, USERS, Department, shot
from qbcore.seeding.jobs import JobPlan
from qbcore.states import Hold, Status

C, R, F, K = Status.COMPLETE, Status.RUNNING, Status.FAILED, Status.KILLED
S, B, W, P = Status.SUSPENDED, Status.BLOCKED, Status.WAITING, Status.PENDING
KINDS = (
    ("complete",) * 58 + ("pending",) * 20 + ("running",) * 10 + ("failed",) * 6 + ("killed",) * 3 + ("blocked",) * 3
)
COMMAND = "sleep 20  # kick -i {name}.QB_FRAME_NUMBER.ass"


def many(
    count: int, dice: random.Random, now: datetime, *, frames: Sequence[int] = (10,), running: int = 10**9
) -> Iterator[JobPlan]:
    """So many jobs, each of one of these numbers of *frames*, of the last two weeks; at most *running* of them run."""
    for nth in range(count):
        kind = dice.choice(KINDS)
        running -= kind == "running"
        kind = "pending" if kind == "running" and running < 0 else kind
        age = timedelta(days=14) * (1 - nth / count) if kind not in ("pending", "running") else timedelta(
            hours=dice.uniform(0.1, 20)
        )  # fmt: skip
        yield plan(kind, dice.choice(DEPARTMENTS), dice.choice(frames), now - age, dice, now)


def plan(kind: str, department: Department, frames: int, at: datetime, dice: random.Random, now: datetime) -> JobPlan:
    """A job that is *kind* now, as such jobs look."""
    name, show = shot(dice, department), dice.choice(SHOWS)
    average = department.average * dice.uniform(0.5, 1.6)
    work = {status: count for status, count in _work(kind, frames, dice).items() if count}
    begun = any(status in work for status in (C, R, F, K))
    spent = timedelta(seconds=average * frames / 4)
    return JobPlan(
        name=name,
        user=dice.choice(USERS),
        show=show,
        cluster=f"/{show}/{department.cluster}",
        work=work,
        submitted=at,
        started=min(at + timedelta(minutes=dice.uniform(0.2, 40)), now - timedelta(minutes=1)) if begun else None,
        finished=min(at + spent, now),
        average=min(average, 60 * 60 * 4),
        priority=dice.choice((50, 120, 180, 200, 250, 300, 400, 450, 500, 900, 5000)),
        cpus=dice.choice((4, 4, 8, 16)) if frames > 4 else 4,
        take=1,
        failures=FAILURES,
        held=Hold.USER if kind == "blocked" else Hold.NONE,
        package={"range": f"1001-{1000 + frames}", "cmdline": COMMAND.replace("{name}", name)},
        columns={"reservations": "host.processors=1", "kind": department.short},
    )


def _work(kind: str, frames: int, dice: random.Random) -> Mapping[Status, int]:
    some = dice.randrange(1, frames) if frames > 1 else 0
    if kind == "failed":
        return {F: max(1, some // 2), C: frames - max(1, some // 2)}
    if kind == "killed":
        return {C: some, K: frames - some}
    if kind == "running":
        at_once = min(4, frames - some)
        failed = some // 3 if dice.random() < 0.25 else 0
        return {C: some - failed, F: failed, R: at_once, P: frames - some - at_once}
    return {{"complete": C, "pending": P, "blocked": B}[kind]: frames}


def long(count: int, now: datetime, dice: random.Random) -> JobPlan:
    """One job of very many frames, a third of it done."""
    done, failed, at_once = count // 3, count // 500, 64
    found = plan("pending", DEPARTMENTS[1], 10, now - timedelta(hours=30), dice, now)
    found.name, found.first = "sq000_0010_lgt_beauty_long", 1
    found.work = {C: done, F: failed, R: at_once, P: count - done - failed - at_once}
    found.started, found.cpus, found.average = now - timedelta(hours=29), at_once, 20.0
    found.package = {"range": f"1-{count}", "cmdline": "sleep 20"}
    return found
