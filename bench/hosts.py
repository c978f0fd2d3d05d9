"""Thousands of simulated workers that speak the real protocol to real web processes. `make bench ARGS=hosts`.

First all are there: hello over HTTP, all at once, while one that works already and a browser go on asking; beats over
the websocket every ten seconds, a fifth of them busy, everybody syncing when the supervisor said so; measured is the
processor time of the one web process, with bare beats and then with what real workers send in them. Then, on up to two
web processes, the busy ones report and claim as fast as they are answered, and the others are each given a subjob.
BENCH_HOSTS says how many hosts (5,000), BENCH_REST for how many seconds each part is measured (30).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, p95, start, timed
from bench.rest import SECONDS, serving, share, spent, wait_for
from bench.simulated import Host, Later, Line, chance, joined, load
from tests.servers import free_port

HOSTS = int(os.environ.get("BENCH_HOSTS", "5000"))
BUSY = HOSTS // 5
AT_ONCE = 32
STORMING = 500
"""Connections of hosts that all begin at once."""
JOBS = 2000
FLOOR = 500


def work(count: int, cpus: int, jobs: int = 1) -> None:
    """Jobs of so many frames each, and so many places."""
    from django.db import connection

    from qbcore import filling, submission

    package = {"cmdline": "true", "range": f"1-{count}"}
    for part in range(0, jobs, 500):
        some = [{"prototype": "cmdrange", "package": package, "cpus": cpus}] * min(500, jobs - part)
        for job in submission.submit(some):
            filling.fill(int(job["id"]))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself after a while


async def each(hosts: list[Host], ports: list[int], act: Any, at_once: int = AT_ONCE) -> None:
    """Does it for each host, so many at a time, over as many connections."""
    left = iter(hosts)

    async def carry(line: Line) -> None:
        for host in left:
            await act(line, host)

    await asyncio.gather(*(carry(Line(ports[number % len(ports)])) for number in range(at_once)))


# -- all begin at once ---------------------------------------------------------------------------------------------


@dataclass
class Storm:
    """Seconds until all were greeted; what a sync and a page took meanwhile; how often a host was sent away."""

    took: float = 0.0
    syncs: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    away: int = 0


async def storm(hosts: list[Host], port: int) -> Storm:
    """The last of the hosts works already and goes on syncing; the others begin."""
    found = Storm()
    *beginning, working = hosts
    await Line(port).post("hello", working.token, working.hello())
    probes = [asyncio.create_task(probe) for probe in (syncing(working, port, found), paging(port, found))]
    lines: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(STORMING):
        lines.put_nowait(Line(port))
    began = time.monotonic()
    await asyncio.gather(*(greet(host, lines, found) for host in beginning))
    found.took = time.monotonic() - began
    for probe in probes:
        probe.cancel()
    await asyncio.gather(*probes, return_exceptions=True)
    return found


async def greet(host: Host, lines: asyncio.Queue[Line], found: Storm) -> None:
    """As a worker does it: sent away, it comes again when it was told to, and up to a fifth later."""
    while True:
        line = await lines.get()
        try:
            await line.post("hello", host.token, host.hello())
            return
        except Later as later:
            found.away += 1
            after = later.after
        finally:
            lines.put_nowait(line)
        await asyncio.sleep(after * chance.uniform(1.0, 1.2))


async def syncing(host: Host, port: int, found: Storm) -> None:
    line = Line(port)
    while True:
        began = time.monotonic()
        await line.post("sync", host.token, host.said(room=False))
        found.syncs.append(time.monotonic() - began)
        await asyncio.sleep(0.1)


async def paging(port: int, found: Storm) -> None:
    line = Line(port)
    while True:
        began = time.monotonic()
        if await line.get("/login") != 200:
            raise SystemExit("a page was not answered while hosts began")
        found.pages.append(time.monotonic() - began)
        await asyncio.sleep(0.1)


def floor(hosts: list[Host]) -> float:
    """Seconds for one row of a host after the other, written and committed by one connection that checks nothing."""
    from django.utils import timezone

    from qbcore.models import HostRow
    from qbcore.writing import ask, on_postgres

    kinds = ("%s::text", "%s::timestamptz", "%s::bigint") if on_postgres() else ("%s", "%s", "%s")
    sql = "UPDATE host SET session = {}, seq = 0, state = 'active', seen = {} WHERE id = {}".format(*kinds)
    sql += " RETURNING id"
    ids = list(HostRow.objects.order_by("pk").values_list("pk", flat=True)[:FLOOR])
    now = timezone.now() if on_postgres() else str(timezone.now())
    took = timed(lambda: [ask(sql, [hosts[0].session, now, one]) for one in ids])
    HostRow.objects.update(session="", state="none", seen=None)
    return took / len(ids) * len(hosts)


# -- all are there -------------------------------------------------------------------------------------------------


class Talk:
    """What hosts say in their beats and syncs: next to nothing, or what real workers say."""

    def __init__(self) -> None:
        self.real = False

    def beat(self) -> str:
        return json.dumps({"beat": 1, "load": load()}) if self.real else '{"beat": 1}'

    def said(self, host: Host) -> dict[str, Any]:
        """One in a hundred had its configuration changed."""
        told = host.said(room=not host.held)
        return {**told, "facts": host.facts()} if self.real and chance.random() < 0.01 else told


async def begin(line: Line, host: Host) -> None:
    host.take(await line.post("sync", host.token, host.said(room=True)))


async def live(host: Host, line: Line, turn: asyncio.Semaphore, patience: float, talk: Talk) -> None:
    """Beats every ten seconds and asks when it was told to, or when it is woken."""
    headers = {"Authorization": f"Bearer {host.token}", "X-QB-Session": host.session}
    async with connect(
        f"ws://127.0.0.1:{host.port}/ws/worker", additional_headers=headers, ping_interval=None, open_timeout=120,
        compression=None,
    ) as socket:  # fmt: skip
        due = time.monotonic() + chance.uniform(0, patience)
        await asyncio.sleep(chance.uniform(0, 10))
        while True:
            await socket.send(talk.beat())
            with suppress(TimeoutError):
                await asyncio.wait_for(socket.recv(), 10)
                due = 0
            if time.monotonic() >= due:
                async with turn:
                    answer = await line.post("sync", host.token, talk.said(host))
                host.take(answer)
                due = time.monotonic() + answer["next"]


async def beating(web: psutil.Process, hosts: list[Host], port: int) -> list[tuple[float, str]]:
    """Percent of a core of the web process, and of this generator: of bare beats, then of real ones."""
    await each(hosts[:BUSY], [port], begin)
    line, turn, talk = Line(port), asyncio.Semaphore(1), Talk()
    living = [asyncio.create_task(live(host, line, turn, 100.0, talk)) for host in hosts]
    await asyncio.sleep(30 + HOSTS / 250)
    found = []
    for talk.real in (False, True):
        await asyncio.sleep(12 if talk.real else 0)
        gone = [task for task in living if task.done()]
        if gone:
            raise SystemExit(f"{len(gone)} simulated hosts have left: {gone[0].exception()!r}")
        own = spent([psutil.Process()])
        busy = await asyncio.to_thread(share, [web], SECONDS)
        found.append((busy, f"generator {100 * (spent([psutil.Process()]) - own) / SECONDS:.0f} %"))
    for task in living:
        task.cancel()
    await asyncio.gather(*living, return_exceptions=True)
    return found


# -- as fast as they are answered ----------------------------------------------------------------------------------


@dataclass
class Rate:
    """Something of the farm's a second, and what it took of the two cores."""

    count: int = 0
    requests: int = 0
    took: float = 0.0
    web: float = 0.0
    own: float = 0.0

    @property
    def each(self) -> float:
        return self.count / self.took

    @property
    def note(self) -> str:
        shares = f"web {100 * self.web / self.took:.0f} % of a core, generator {100 * self.own / self.took:.0f} %"
        return f"{shares}, {1000 * self.web / max(1, self.requests):.1f} ms of web processes a request"


def rate(webs: list[psutil.Process], act: Callable[[Rate], Any]) -> Rate:
    found, before, own = Rate(), spent(webs), spent([psutil.Process()])
    began = time.monotonic()
    asyncio.run(act(found))
    found.took = time.monotonic() - began
    found.web, found.own = spent(webs) - before, spent([psutil.Process()]) - own
    return found


async def claiming(hosts: list[Host], ports: list[int], seconds: float, found: Rate) -> None:
    """Frames claimed by hosts in turn, each of which reports at its next turn what it was given at this one."""
    turns, until = itertools.cycle(hosts), time.monotonic() + SECONDS

    async def carry(line: Line) -> None:
        while time.monotonic() < until:
            host = next(turns)
            answer = await line.post("sync", host.token, host.said(room=not host.held, seconds=seconds))
            found.count += host.take(answer)
            found.requests += 1

    await asyncio.gather(*(carry(Line(ports[number % len(ports)])) for number in range(AT_ONCE)))


async def placing(hosts: list[Host], ports: list[int], found: Rate) -> None:
    """Hosts that hold nothing are each given a subjob with its first frame."""
    until = time.monotonic() + SECONDS

    async def place(line: Line, host: Host) -> None:
        if time.monotonic() < until:
            answer = await line.post("sync", host.token, host.said(room=True))
            found.count += host.take(answer)
            found.requests += 1

    await each(hosts, ports, place)


def picks() -> float:
    """The 95th percentile of finding the next job, for each of the hosts as it is now."""
    from qbcore import views
    from qbcore.waiting import Waiting
    from qbcore.writing import clock

    known = Waiting()
    return p95([timed(lambda host=host: known.pick(host)) for host in views.every_host(clock())])  # type: ignore[misc]


def web(stack: ExitStack) -> tuple[psutil.Process, int]:
    port = free_port()
    server = {key: os.environ[key] for key in ("DATABASE_URL", "REDIS_URL", "FARM_DATA") if key in os.environ}
    command = ["-m", "uvicorn", "farm.asgi:application", "--host=127.0.0.1", f"--port={port}", "--no-access-log"]
    process = stack.enter_context(
        serving(*command, "--timeout-keep-alive=75", "--timeout-graceful-shutdown=1", **server)
    )
    wait_for(port)
    return process, port


def figures() -> Iterator[Figure]:
    from django.db import connection

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * HOSTS + 1000)), hard))
    with ExitStack() as stack:
        process, port = web(stack)
        hosts = [Host(number, port) for number in range(HOSTS)]
        joined(hosts)
        for _ in range(4):
            work(50_000, BUSY // 4)
        least = floor(hosts)
        greeted = asyncio.run(storm(hosts, port))
        yield Figure(f"hello of {HOSTS:,} hosts at once", greeted.took, floor=least, note=f"sent away {greeted.away:,}")
        yield Figure("  a sync meanwhile, p95", p95(greeted.syncs))
        yield Figure("  a page meanwhile, p95", p95(greeted.pages))
        bare, real = asyncio.run(beating(process, hosts, port))
        yield Figure(f"web process, {HOSTS:,} hosts beating, 20 % busy", bare[0], 50.0, unit="%", note=bare[1])
        yield Figure("  the same with loads and facts, as real workers send", real[0], 50.0, unit="%", note=real[1])
        more = [web(stack)] if connection.vendor == "postgresql" else []
        webs, ports = [process, *(one for one, _ in more)], [port, *(one for _, one in more)]
        beside = f"{BUSY:,} of {HOSTS:,} hosts, {len(webs)} web processes"
        short = rate(webs, lambda found: claiming(hosts[:BUSY], ports, 0.05, found))
        yield Figure(f"frames of 50 ms claimed, {beside}", short.each, 1000.0, unit="/s", note=short.note)
        long = rate(webs, lambda found: claiming(hosts[:BUSY], ports, 5.0, found))
        yield Figure("  frames of 5 s, one by one", long.each, unit="/s", note=long.note)
        work(50, 2, JOBS)
        yield Figure(f"next job of {JOBS:,} for each of the hosts, p95", picks(), 0.01)
        placed = rate(webs, lambda found: placing(hosts[BUSY:], ports, found))
        yield Figure("subjobs placed, one for each of the other hosts", placed.each, unit="/s", note=placed.note)


if __name__ == "__main__":
    print(start())
    print(HEAD)
    for figure in figures():
        print(figure)
