"""The farm that the pictures of docs/screens show: the jobs of one evening, drawn by name, among thousands."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from farm.seed.jobs import COMMAND, B, C, F, K, P, R, S, W, many
from farm.seed.studio import MEMORY, TEXTURE
from qbcore.seeding.jobs import JobPlan, Told
from qbcore.states import Hold, Status

JOBS = 6214
RUNNING = 330
FRAMES = (1, 8, 24, 24, 48, 60, 96, 120)

# id, name, user, frames by status, priority, department, minutes ago, seconds a frame
DRAWN: tuple[tuple[int, str, str, dict[Status, int], int, str, int, int], ...] = (
    (84132, "sq020_0330_anm_playblast_v049", "jonas", {C: 243, F: 57}, 50, "anim", 12, 554),
    (84070, "sq020_0100_lgt_volumes_v014", "mira", {C: 165, F: 30, P: 45}, 50, "lighting", 192, 245),
    (83911, "sq020_0150_fx_bubbles_v059", "mira", {C: 72, S: 40, P: 128}, 50, "fx", 1560, 411),
    (83641, "sq020_0290_env_cavewall_v019", "priya", {P: 240}, 50, "envir", 66, 200),
    (84191, "sq020_0340_lgt_volumes_v039", "tkchen", {C: 120, R: 38, P: 82}, 120, "lighting", 567, 245),
    (83972, "sq020_0260_fx_kelpsim_v056", "tkchen", {C: 48, F: 25, R: 6, P: 41}, 120, "fx", 192, 78),
    (83817, "sq020_0270_cfx_hair_v044", "tkchen", {C: 98, F: 4, R: 33, P: 105}, 120, "cfx", 12, 42),
    (83726, "sq020_0130_lgt_crypto_v023", "jonas", {B: 240}, 120, "lighting", 4, 60),
    (83481, "sq020_0300_anm_playblast_v017", "priya", {C: 300}, 120, "anim", 350, 156),
    (84213, "sq020_0140_lgt_beauty_v037", "mira", {}, 180, "lighting", 192, 411),
    (83836, "sq020_0330_env_cavewall_v020", "mira", {C: 170, F: 47, R: 23}, 180, "envir", 4, 411),
    (84010, "sq020_0260_anm_playblast_v053", "mira", {B: 180}, 200, "anim", 192, 60),
    (83891, "sq020_0290_fx_bubbles_v020", "priya", {C: 12, R: 12, P: 216}, 200, "fx", 38, 245),
    (83710, "sq020_0320_anm_playblast_v061", "priya", {C: 126, K: 174}, 200, "anim", 350, 760),
    (83529, "sq020_0270_env_cavewall_v024", "priya", {P: 240}, 200, "envir", 567, 200),
    (84102, "fx_kelpsim_v012", "tkchen", {C: 240}, 250, "fx", 900, 300),
)


def jobs(dice: random.Random, now: datetime) -> Iterator[JobPlan]:
    """All jobs, with their ids: the drawn ones keep theirs."""
    drawn = {one.id: one for one in (_drawn(*line, now) for line in DRAWN)}
    last = max(drawn) + 1
    plain = many(JOBS - len(drawn), dice, now, frames=FRAMES, running=RUNNING)
    for number in range(last - JOBS - len(drawn), last):
        if number in drawn:
            yield drawn.pop(number)
        elif (found := next(plain, None)) is not None:
            found.id = number
            yield found


def _drawn(
    number: int, name: str, user: str, work: dict[Status, int], priority: int, team: str, ago: int, average: int,
    now: datetime,
) -> JobPlan:  # fmt: skip
    submitted = now - timedelta(minutes=ago)
    begun = any(status in work for status in (C, R, F, K)) or not work
    plan = JobPlan(
        id=number, name=name, user=user, show="aurora", cluster=f"/aurora/{team}", work=work, priority=priority,
        submitted=submitted, average=average, cpus=max(4, work.get(R, 0) + work.get(S, 0)),
        started=submitted + timedelta(minutes=min(2, ago / 2)) if begun else None, finished=now,
        failures=(TEXTURE, MEMORY),
        held=Hold.USER if work.get(B) else Hold.NONE, columns={"kind": team},
        package={"range": f"1001-{1000 + sum(work.values())}", "cmdline": COMMAND.replace("{name}", name)},
    )  # fmt: skip
    return _beauty(plan, now) if number == 84213 else plan


def _beauty(plan: JobPlan, now: datetime) -> JobPlan:
    """The job of the Job page: 2,400 frames, 412 of them failed, most of those on one host."""
    dice = random.Random(plan.id)
    tail = [R] * 28 + [R] * 36 + [P] * 594 + [S] * 24 + [B] * 46
    head = 2400 - len(tail)
    layout = [C] * head
    for run in (range(42, 57), range(330, 400), range(1140, 1150), range(1187, 1208), range(1523, 1600)):
        for pos in run:
            layout[pos] = F
    layout[1208:1220] = [K] * 12
    left = 412 - layout.count(F)
    for pos in dice.sample([pos for pos, one in enumerate(layout) if one == C], left):
        layout[pos] = F
    plan.layout = [*layout, *tail]
    plan.work = {status: plan.layout.count(status) for status in set(plan.layout)}
    plan.cpus, plan.tries, plan.take, plan.bad_host, plan.logged = 88, 3, 8, "render-041", True
    plan.failures, plan.average = (TEXTURE,), 411.0
    plan.columns = {"kind": "lighting", "reservations": "host.processors=8", "restrictions": "", "retrywork": 2}
    plan.package = {
        "range": "1001-3400",
        "cmdline": "sleep 20  # kick -i sq020_0140_lgt_beauty_v037.QB_FRAME_NUMBER.ass",
    }
    plan.told = (
        Told(now - timedelta(minutes=24), "farm", "fail", "first failure on frame 1043", machine=True),
        Told(now - timedelta(minutes=18), "mira", "modify", "priority 450 to 180", "dailies 09:30"),
        Told(now - timedelta(minutes=2), "olu", "unlock", "unlocked render-041", "IT remounted"),
    )
    return plan


__all__ = ["JOBS", "RUNNING", "W", "jobs"]
