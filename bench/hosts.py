"""Thousands of simulated workers that speak the real protocol to real web processes. `make bench ARGS=hosts`.

First all are there: hello over HTTP, beats over the websocket every ten seconds, a fifth of them busy, everybody
syncing when the supervisor said so; measured is the processor time of the one web process. Then the busy ones report
and claim as fast as they are answered: frames a second on up to two web processes, with what these and the generator
take of the two cores beside it.
BENCH_HOSTS says how many hosts (5,000), BENCH_REST for how many seconds each part is measured (30).
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import random
import resource
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, start
from bench.rest import SECONDS, serving, share, spent, wait_for
from tests.servers import free_port

HOSTS = int(os.environ.get("BENCH_HOSTS", "5000"))
BUSY = HOSTS // 5
AT_ONCE = 32
chance = random.Random(5)


class Host:
    """One simulated worker."""

    def __init__(self, number: int, port: int) -> None:
        self.name, self.port, self.seq = f"sim{number:05d}", port, 0
        self.token, self.session = f"qbh_sim{number}", f"{number:032x}"
        self.held: dict[str, list[int]] = {}
        self.ready: list[tuple[str, dict[str, Any]]] = []

    def said(self, *, room: bool, seconds: float | None = None) -> dict[str, Any]:
        """A sync: with *seconds* all that it holds has ended, each frame after so long."""
        self.seq += 1
        reports = []
        for grant, frame in self.ready if seconds is not None else ():
            told = {"attempt": frame["attempt"], "grant": int(grant), "pos": frame["pos"], "exit": 0, "reason": "exit"}
            reports.append({**told, "signal": None, "elapsed": seconds, "out": [0, 0], "err": [0, 0]})
            self.held[grant].remove(frame["attempt"])
        self.ready = [] if seconds is not None else self.ready
        return {
            "session": self.session, "seq": self.seq, "room": room, "held": self.held, "reports": reports,
            "running": [attempts[0] for attempts in self.held.values() if attempts],
            "want": [int(grant) for grant, attempts in self.held.items() if not attempts], "gone": [],
            "load": {"cpu": 0.5, "memory": 1000},
        }  # fmt: skip

    def take(self, answer: dict[str, Any]) -> int:
        """What the answer brought; how many frames that was."""
        given = [(str(one["grant"]), one["frames"]) for one in answer["starts"]]
        given += list(answer["frames"].items())
        for grant, frames in given:
            self.held.setdefault(grant, []).extend(frame["attempt"] for frame in frames)
            self.ready += [(grant, frame) for frame in frames]
        for grant in answer["over"]:
            self.held.pop(str(grant), None)
        return sum(len(frames) for _, frames in given)


class Line:
    """A kept connection to a web process: one request at a time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, token: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        sent = json.dumps(body).encode()
        writer.write(
            f"POST /worker/v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(sent)}\r\n\r\n".encode()
            + sent
        )
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
        answer: dict[str, Any] = json.loads(await reader.readexactly(int(fields["content-length"])))
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(f"{path} of a simulated host was refused: {answer}")
        return answer


def rows(hosts: list[Host]) -> None:
    """The hosts have joined."""
    from django.utils import timezone

    from qbcore.models import HostRow

    now = timezone.now()
    made = [HostRow(name=one.name, token=hashlib.sha256(one.token.encode()).hexdigest(), joined=now, updated=now)
            for one in hosts]  # fmt: skip
    HostRow.objects.bulk_create(made, batch_size=500)


def work(count: int, cpus: int) -> None:
    from django.db import connection

    from qbcore import filling, submission

    package = {"cmdline": "true", "range": f"1-{count}"}
    job = submission.submit({"prototype": "cmdrange", "package": package, "cpus": cpus})[0]["id"]
    filling.fill(int(job))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself after a while


async def each(hosts: list[Host], ports: list[int], act: Any) -> None:
    """Does it for each host, AT_ONCE at a time, each time over a connection of its own."""
    left = iter(hosts)

    async def carry(line: Line) -> None:
        for host in left:
            await act(line, host)

    await asyncio.gather(*(carry(Line(ports[number % len(ports)])) for number in range(AT_ONCE)))


async def greet(line: Line, host: Host) -> None:
    facts = {"os": "Linux", "slots": 1, "processors": 1, "memory": 16000, "jobtypes": ["cmdrange", "cmdline"]}
    await line.post("hello", host.token, {"protocol": 1, "session": host.session, "previous": "", "facts": facts,
                                          "held": {}})  # fmt: skip


async def begin(line: Line, host: Host) -> None:
    host.take(await line.post("sync", host.token, host.said(room=True)))


async def live(host: Host, line: Line, turn: asyncio.Semaphore, patience: float) -> None:
    """Beats every ten seconds and asks when it was told to, or when it is woken."""
    headers = {"Authorization": f"Bearer {host.token}", "X-QB-Session": host.session}
    async with connect(
        f"ws://127.0.0.1:{host.port}/ws/worker", additional_headers=headers, ping_interval=None, open_timeout=120,
        compression=None,
    ) as socket:  # fmt: skip
        due = time.monotonic() + chance.uniform(0, patience)
        await asyncio.sleep(chance.uniform(0, 10))
        while True:
            await socket.send('{"beat": 1, "load": {"cpu": 0.5, "memory": 1000}}')
            with suppress(TimeoutError):
                await asyncio.wait_for(socket.recv(), 10)
                due = 0
            if time.monotonic() >= due:
                async with turn:
                    answer = await line.post("sync", host.token, host.said(room=not host.held))
                host.take(answer)
                due = time.monotonic() + answer["next"]


async def beating(web: psutil.Process, hosts: list[Host], port: int) -> tuple[float, float, float]:
    """Seconds of the storm of hellos; percent of a core of the web process; of this generator."""
    began = time.monotonic()
    await each(hosts, [port], greet)
    storm = time.monotonic() - began
    await each(hosts[:BUSY], [port], begin)
    line, turn = Line(port), asyncio.Semaphore(1)
    living = [asyncio.create_task(live(host, line, turn, 100.0)) for host in hosts]
    await asyncio.sleep(30 + HOSTS / 250)
    gone = [task for task in living if task.done()]
    if gone:
        raise SystemExit(f"{len(gone)} simulated hosts have left: {gone[0].exception()!r}")
    own = spent([psutil.Process()])
    busy = await asyncio.to_thread(share, [web], SECONDS)
    own = 100 * (spent([psutil.Process()]) - own) / SECONDS
    for task in living:
        task.cancel()
    await asyncio.gather(*living, return_exceptions=True)
    return storm, busy, own


async def claiming(hosts: list[Host], ports: list[int], seconds: float, until: float) -> int:
    """Frames claimed by hosts in turn, each of which reports at its next turn what it was given at this one."""
    claimed = 0
    turns = itertools.cycle(hosts)

    async def carry(line: Line) -> None:
        nonlocal claimed
        while time.monotonic() < until:
            host = next(turns)
            answer = await line.post("sync", host.token, host.said(room=not host.held, seconds=seconds))
            claimed += host.take(answer)

    await asyncio.gather(*(carry(Line(ports[number % len(ports)])) for number in range(AT_ONCE)))
    return claimed


def web(stack: ExitStack) -> tuple[psutil.Process, int]:
    port = free_port()
    server = {key: os.environ[key] for key in ("DATABASE_URL", "REDIS_URL", "FARM_DATA") if key in os.environ}
    command = ["-m", "uvicorn", "farm.asgi:application", "--host=127.0.0.1", f"--port={port}", "--no-access-log"]
    process = stack.enter_context(
        serving(*command, "--timeout-keep-alive=75", "--timeout-graceful-shutdown=1", **server)
    )
    wait_for(port)
    return process, port


def claimed(hosts: list[Host], ports: list[int], webs: list[psutil.Process], seconds: float) -> tuple[float, str]:
    """Frames a second, when each of them takes so long."""
    before, own = spent(webs), spent([psutil.Process()])
    began = time.monotonic()
    count = asyncio.run(claiming(hosts, ports, seconds, began + SECONDS))
    took = time.monotonic() - began
    shares = [100 * (now - old) / took for now, old in ((spent(webs), before), (spent([psutil.Process()]), own))]
    return count / took, f"web {shares[0]:.0f} % of a core, generator {shares[1]:.0f} %"


def figures() -> list[Figure]:
    from django.db import connection

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * HOSTS + 1000)), hard))
    with ExitStack() as stack:
        process, port = web(stack)
        hosts = [Host(number, port) for number in range(HOSTS)]
        rows(hosts)
        for _ in range(4):
            work(50_000, BUSY // 4)
        storm, busy, own = asyncio.run(beating(process, hosts, port))
        more = [web(stack)] if connection.vendor == "postgresql" else []
        webs, ports = [process, *(one for one, _ in more)], [port, *(one for _, one in more)]
        short, told = claimed(hosts[:BUSY], ports, webs, 0.05)
        long, also = claimed(hosts[:BUSY], ports, webs, 5.0)
    beside = f"{len(webs)} web processes"
    return [
        Figure(f"web process, {HOSTS:,} hosts beating, 20 % busy", busy, 50.0, unit="%", note=f"generator {own:.0f} %"),
        Figure(f"  hello of {HOSTS:,} hosts at once", storm),
        Figure(f"frames of 50 ms claimed, {BUSY:,} of {HOSTS:,} hosts, {beside}", short, 1000.0, unit="/s", note=told),
        Figure("  frames of 5 s, one by one", long, unit="/s", note=also),
    ]


if __name__ == "__main__":
    print(start())
    print(HEAD)
    for figure in figures():
        print(figure)
