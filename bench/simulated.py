"""Simulated workers that speak the real protocol, for benchmarks: what they say, and their connections."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from typing import Any

chance = random.Random(5)


def load() -> dict[str, float]:
    """How busy a host is just now."""
    return {"cpu": round(chance.random(), 3), "memory": chance.randrange(1000, 200_000)}


class Later(Exception):  # noqa: N818
    """The supervisor asks to be asked again after so many seconds."""

    def __init__(self, after: float) -> None:
        super().__init__(f"again in {after:g} s")
        self.after = after


class Host:
    """One simulated worker."""

    def __init__(self, number: int, port: int) -> None:
        self.number, self.name, self.port, self.seq = number, f"sim{number:05d}", port, 0
        self.token, self.session = f"qbh_sim{number}", f"{number:032x}"
        self.held: dict[str, list[int]] = {}
        self.ready: list[tuple[str, dict[str, Any]]] = []

    def hello(self) -> dict[str, Any]:
        return {"protocol": 2, "session": self.session, "previous": "", "facts": self.facts(), "held": {}, "ended": 0}

    def facts(self) -> dict[str, Any]:
        """As a real worker tells them."""
        address = f"10.1.{self.number // 250}.{self.number % 250}"
        return {
            "os": "Linux", "release": "Debian GNU/Linux 12", "kernel": "6.1.0-18-amd64", "architecture": "x86_64",
            "model": "AMD EPYC 7543 32-Core Processor", "cores": 32, "processors": 64, "processor_speed": 2794,
            "memory": 257_000, "swap": 8000, "gpus": ["NVIDIA A40"], "address": address, "version": "0.3.0",
            "macaddress": "02:00:00:00:00:01", "cluster": "/", "groups": "", "properties": {"rack": self.number // 40},
            "resources": {}, "jobtypes": ["cmdrange", "cmdline"], "slots": 1,
        }  # fmt: skip

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
            "load": load(),
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
        """The answer of the worker's protocol. Raises Later; any other refusal ends the benchmark."""
        status, fields, content = await self._ask(f"POST /worker/v1/{path}", token, json.dumps(body).encode())
        if status == 429:
            raise Later(float(fields["retry-after"]))
        answer: dict[str, Any] = json.loads(content)
        if status != 200:
            raise SystemExit(f"{path} of a simulated host was refused: {answer}")
        return answer

    async def get(self, path: str) -> int:
        """The status of a page."""
        return (await self._ask(f"GET {path}", "", b""))[0]

    async def _ask(self, what: str, token: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        said = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"{what} HTTP/1.1\r\nHost: localhost\r\n{said}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        content = await reader.readexactly(int(fields.get("content-length", "0")))
        return int(lines[0].split()[1]), fields, content


def joined(hosts: list[Host]) -> None:
    """Their rows, as if they had joined."""
    from django.utils import timezone

    from qbcore.models import HostRow

    now = timezone.now()
    made = [HostRow(name=one.name, token=hashlib.sha256(one.token.encode()).hexdigest(), joined=now, updated=now)
            for one in hosts]  # fmt: skip
    HostRow.objects.bulk_create(made, batch_size=500)
