"""How fast the next job for a host is found: 100,000 waiting jobs, 2,000 requirement texts, 500 clusters, 5,000 hosts.

`python bench/plan_pick.py [jobs]` prints one table; the target is p95 <= 10 ms for a pick (milliseconds below).
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import Figure, p95
from qbcore.candidates import Candidate, HostView
from qbcore.plan import pick
from qbcore.pool import Pool

TEXTS, CLUSTERS, KINDS, HOSTS, SHOWS = 2_000, 500, 200, 5_000, 50
PICKS = 20_000
TARGET = 10.0  # milliseconds, for the 95th percentile

chance = random.Random(7)


def cluster() -> str:
    return f"/show{chance.randrange(SHOWS)}/unit{chance.randrange(CLUSTERS // SHOWS)}"


def requirement(number: int) -> str:
    """About one host kind in seven satisfies it; one text in ten asks what changes, one in fifty names hosts."""
    standing = f"host.os == {chance.choice(['linux', 'linux', 'winnt'])} and host.speed >= {2000 + number * 0.75}"
    wishes = [f"host.memory.total >= {16000 * 2 ** (number % 3)}", f"host.groups has g{number % 8}", "host.tag1 == yes"]
    passing = f" and host.memory.avail > {number % 32 * 1000}" if number % 10 == 0 else ""
    named = f" and not host.name in node{number},node{number + 1}" if number % 50 == 1 else ""
    return f"{standing} and {wishes[number % 3]}{named}{passing}"


def jobs(count: int, texts: list[str]) -> list[Candidate]:
    return [job(number, texts) for number in range(1, count + 1)]


def job(number: int, texts: list[str]) -> Candidate:
    return Candidate(
        id=number,
        priority=chance.choice([9999, 9999, chance.randint(1, 9998)]),
        cluster=cluster(),
        requirements=chance.choice(texts),
        restrictions=chance.choice(["", "", "", "/show1/+ || /show2/+", "/+"]),
        reservations=chance.choice(["", "host.processors=4", "host.processors=1+", "host.memory=16000", "license.x=1"]),
        hosts=chance.choice([""] * 30 + ["node1,node2,node3", "node40,node41"]),
        prototype=chance.choice(["cmdline", "cmdrange", "maya"]),
        user=f"user{number % 90}",
        wanted=chance.randint(1, 8),
    )


def kind() -> dict[str, Any]:
    return {
        "cluster": cluster(),
        "groups": tuple(f"g{chance.randrange(8)}" for _ in range(3)),
        "totals": {"processors": chance.choice([8, 32, 64]), "memory": chance.choice([16000, 64000, 256000])},
        "properties": {"os": chance.choice(["linux", "winnt"]), "speed": chance.randrange(2000, 4000), "tag1": "yes"},
    }


def hosts() -> list[dict[str, Any]]:
    kinds = [kind() for _ in range(KINDS)]
    return [chance.choice(kinds) | {"id": number, "name": f"node{number}"} for number in range(HOSTS)]


def view(host: dict[str, Any], share: float) -> HostView:
    """The host with this share of it in use."""
    used = {name: int(total * share) for name, total in host["totals"].items()}
    return HostView(**host, used=used, idle=not share)


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = action()
    return (time.perf_counter() - start) * 1000, result


def row(name: str, spent: list[float], note: str = "") -> None:
    ordered = sorted(spent)
    points = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]
    print(f"{name:<40}{len(spent):>7}" + "".join(f"{point:>10.3f}" for point in (*points, ordered[-1])) + f"  {note}")


def picking(
    pool: Pool, farm: list[dict[str, Any]], count: int, share: float, licences: float
) -> tuple[list[float], str]:
    """Pick for random hosts; what is picked has one subjob less to start."""
    spent, found = [], 0
    for _ in range(count):
        host = view(chance.choice(farm), share)
        took, choice = timed(lambda host=host: pool.pick(host, {"license.x": licences}))
        spent.append(took)
        if choice:
            pool.remove(choice.job)
            found += 1
    return spent, f"{found * 100 // count} % found a job"


def churning(
    pool: Pool, farm: list[dict[str, Any]], texts: list[str], count: int, change: int
) -> tuple[list[float], list[float]]:
    picks: list[float] = []
    updates = []
    for _ in range(count):
        changed = [job(chance.randint(1, count * 1000), texts) for _ in range(change)]
        updates.append(timed(lambda changed=changed: [pool.update(one) for one in changed])[0])
        picks += picking(pool, farm, 250, 0.0, 5)[0]
    return picks, updates


def figures() -> list[Figure]:
    """The 95th percentile of a pick, for hosts with room and for nearly full ones."""
    texts = [requirement(number) for number in range(TEXTS)]
    waiting, farm = jobs(100_000, texts), hosts()
    pool = Pool(waiting)
    gc.freeze()
    for host in farm:
        pool.pick(view(host, 0.0), {"license.x": 5})
    found = []
    for name, share, licences in (("roomy", 0.0, 5), ("nearly full", 0.9, 5), ("licence exhausted", 0.0, 0)):
        spent, note = picking(pool, farm, PICKS, share, licences)
        found.append(
            Figure(f"pick of 100,000 jobs, 2,000 texts, p95, {name}", p95(spent) / 1000, TARGET / 1000, note=note)
        )
    gc.unfreeze()
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    texts = [requirement(number) for number in range(TEXTS)]
    waiting, farm = jobs(count, texts), hosts()
    loading, pool = timed(lambda: Pool(waiting))
    gc.freeze()  # as whoever keeps a pool should
    print(f"{count:,} jobs, {TEXTS:,} texts, {CLUSTERS} clusters, {HOSTS:,} hosts of {KINDS} kinds")
    print(f"milliseconds; target for a pick: p95 <= {TARGET:g}\n")
    print(f"{'':<40}{'n':>7}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}")
    row("load everything", [loading])
    first = [timed(lambda host=host: pool.pick(view(host, 0.0), {"license.x": 5}))[0] for host in farm]
    row("first pick of each host", first)
    row("pick, roomy hosts", *picking(pool, farm, PICKS, 0.0, 5))
    row("pick, nearly full hosts", *picking(pool, farm, PICKS, 0.9, 5))
    row("pick, licence exhausted", *picking(pool, farm, PICKS, 0.0, 0))
    picks, updates = churning(pool, farm, texts, 20, 1000)
    row("pick, 1,000 jobs changed every 250", picks)
    row("update of 1,000 jobs", updates)
    pool = Pool(waiting)
    check(pool, waiting, farm)
    print(f"\nmemory at the end {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def check(pool: Pool, waiting: list[Candidate], farm: list[dict[str, Any]]) -> None:
    """The fast answer is the plain one; the plain one takes its time, so a few hosts must do."""
    spent = []
    for host in chance.sample(farm, 3):
        plain, expected = timed(lambda host=host: pick(view(host, 0.5), waiting, {"license.x": 1}))
        spent.append(plain)
        if pool.pick(view(host, 0.5), {"license.x": 1}) != expected:
            raise SystemExit(f"the pool picked something else than the plain order for {host['name']}")
    row("plain order, for comparison", spent)


if __name__ == "__main__":
    main()
