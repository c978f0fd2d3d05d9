"""A small supervisor that speaks docs/worker.md over real HTTP and websockets, and does what a test tells it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

PATIENCE = 20.0  # seconds that a test waits for something to come true

Message = dict[str, Any]

JOB: Message = {
    "id": 1,
    "pgrp": 1,
    "cpus": 1,
    "package": {"cmdline": "true"},
    "name": "test",
    "prototype": "cmdrange",
    "env": {},
    "cwd": "",
    "user": "ada",
    "kind": "",
    "timelimit": -1,
    "agenda_timelimit": -1,
}


@dataclass
class Subjob:
    """A job's subjob and the frames that are left for it: (pos, name); pos -1 for a job without agenda."""

    job: Message
    idx: int
    frames: deque[tuple[int, str]]


@dataclass
class Grant:
    subjob: Subjob
    given: dict[int, tuple[int, str]] = field(default_factory=dict)
    over: bool = False
    gone: bool = False


class Supervisor:
    """What came from the worker is kept: `hellos`, `requests`, `reports`, `logs`, `beats`.

    `give` is how many frames go out at once. `refuse` may answer a request itself: with (status, code), or with
    0 to carry it out and lose the answer.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: deque[Subjob] = deque()
        self.grants: dict[int, Grant] = {}
        self.joins: list[Message] = []
        self.hellos: list[Message] = []
        self.requests: list[Message] = []
        self.reports: list[Message] = []
        self.logs: dict[tuple[int, str], bytearray] = {}
        self.orders: dict[int, str] = {}
        self.drops: set[int] = set()
        self.beats = 0
        self.loads: list[Message] = []
        self.progress: list[dict[str, int]] = []  # over the websocket
        self.thumbnails: dict[str, bytes] = {}  # by "attempt/number?query"
        self.wrote: dict[str, list[str]] = {}  # files of items that a program reported, by the items' attempts
        self.asked = ""
        self.problems: list[str] = []
        self.accepts = True
        self.websockets = True
        self.give = 1
        self.commands: dict[str, str] = {}  # of flight checks, by the name of their step
        self.paths: dict[str, str] = {}
        self.next = 5.0
        self.beat = 1.0
        self.refuse: Callable[[str, Any], tuple[int, str] | int | None] = lambda path, body: None
        self.session = ""
        self._seq = 0
        self._numbers = iter(range(1, 10**9))
        self._sockets: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        options: Message = {"interface": "asgi3", "lifespan": "off", "ws": "websockets-sansio", "loop": "asyncio"}
        options["timeout_graceful_shutdown"] = 10
        config = uvicorn.Config(self.app, "127.0.0.1", self.port, log_config=None, **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        self.until(lambda: self._server is not None and self._server.started)

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.should_exit = True
            self._thread.join(1.0)
            if self._loop and self._thread.is_alive():
                with suppress(RuntimeError):  # it has ended meanwhile
                    self._loop.call_soon_threadsafe(self._cut, self._server)
            self._thread.join(PATIENCE)
            self._server = None

    def _cut(self, server: uvicorn.Server) -> None:
        """Ends connections that a worker keeps open: nothing would close them once the loop is gone."""
        for connection in list(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def until(self, condition: Callable[[], object]) -> None:
        """Waits until it is true; looked at after every message, and often for what happens without one."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while not condition():
                assert not self.problems, self.problems
                assert time.monotonic() < deadline, f"waited in vain; the last request: {self.requests[-1:]}"
                self.changed.wait(0.02)

    def submit(self, cmdline: str, *names: str, subjobs: int = 1, **fields: Any) -> None:
        """A job; without names it has no agenda. It starts at the worker's next request."""
        number = next(self._numbers)
        job = {**JOB, "id": number, "pgrp": number, "cpus": subjobs, "package": {"cmdline": cmdline}, **fields}
        frames = deque(enumerate(names)) if names else None
        with self.changed:
            for idx in range(subjobs):
                self.waiting.append(Subjob(job, idx, deque([(-1, "")]) if frames is None else frames))
        self.hint()

    def order(self, grant: int, word: str) -> None:
        with self.changed:
            self.orders[grant] = word
        self.hint()

    def drop(self, *attempts: int) -> None:
        with self.changed:
            self.drops.update(attempts)
        self.hint()

    def hint(self) -> None:
        loop = self._loop
        if loop:
            for box in list(self._sockets):
                loop.call_soon_threadsafe(box.put_nowait, '{"sync": true}')

    def running(self) -> list[int]:
        """Attempts that the worker has named as running in its last request."""
        return list(self.requests[-1]["running"]) if self.requests else []

    def log(self, grant: int, stream: str = "out") -> bytes:
        return bytes(self.logs.get((grant, stream), b""))

    async def app(self, scope: Message, receive: Any, send: Any) -> None:
        self._loop = asyncio.get_running_loop()
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        code, answer = self._answer(scope, body)
        if code:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": code, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def _answer(self, scope: Message, body: bytes) -> tuple[int, Message]:
        """Status 0: the connection breaks without an answer."""
        path = scope["path"].removeprefix("/worker/v1/")
        told = body if path.startswith(("log/", "thumbnail/")) else json.loads(body)
        with self.changed:
            refusal = self.refuse(path, told)
            self.changed.notify_all()
            if isinstance(refusal, tuple):
                return refusal[0], {"error": {"code": refusal[1], "message": f"refused: {refusal[1]}"}}
            if path != "join" and dict(scope["headers"]).get(b"authorization") != b"Bearer qbh_host":
                return 401, {"error": {"code": "unauthorized", "message": "unknown token"}}
            try:
                code, answer = self._speak(path, scope["query_string"].decode(), told)
            except (AssertionError, LookupError, ValueError) as problem:
                self.problems.append(f"{path}: {problem!r}")
                return 500, {}
        return (code if refusal is None else 0), answer

    def _speak(self, path: str, query: str, told: Any) -> tuple[int, Message]:
        if path == "join":
            self.joins.append(told)
            return 200, {"host": 1, "name": told["name"], "token": "qbh_host"}
        if path == "hello":
            return self._hello(told)
        if path == "sync":
            return self._sync(told)
        if path.startswith("thumbnail/"):
            known = {*map(int, self.wrote), *(report["attempt"] for report in self.reports)}
            assert int(path.split("/")[1]) in known, "its report comes first"
            self.thumbnails[f"{path.removeprefix('thumbnail/')}?{query}"] = told
            return 200, {"id": len(self.thumbnails)}
        return 200, self._log(path, int(query.removeprefix("offset=")), told)

    def _hello(self, told: Message) -> tuple[int, Message]:
        if self.session not in ("", told["previous"], told["session"]):
            return 409, {"error": {"code": "alive", "message": "its worker is alive"}}
        self.hellos.append(told)
        self.session, self._seq = told["session"], 0
        for number, grant in self.grants.items():
            if str(number) not in told["held"] and not grant.gone:
                self._take_back(grant, keep=set())
                grant.gone = True
        keep = [int(number) for number in told["held"] if int(number) in self.grants]
        return 200, {"host": 1, "name": "a", "lease": 10, "beat": self.beat, "paths": self.paths, "keep": keep}

    def _sync(self, told: Message) -> tuple[int, Message]:
        if told["session"] != self.session:
            return 409, {"error": {"code": "session", "message": "another worker took over"}}
        if told["seq"] < self._seq:
            return 409, {"error": {"code": "seq", "message": "an older request"}}
        self._seq = told["seq"]
        self.requests.append(told)
        for report in told["reports"]:
            self._report(report)
        for number, attempts in told["held"].items():
            self._take_back(self.grants[int(number)], keep=set(attempts))
        for number in told["gone"]:
            self._gone(self.grants[number])
        self._take_back_unheld(told)
        frames, over = self._more(told["want"])
        return 200, {
            **self._filled(told, over),
            "frames": frames,
            "over": over,
            "orders": {number: self.orders[int(number)] for number in told["held"] if int(number) in self.orders},
            "drop": [number for some in told["held"].values() for number in some if number in self.drops],
            "accepted": [report["attempt"] for report in told["reports"]] if self.accepts else [],
            "next": self.next,
            "wrote": dict.fromkeys(told.get("shown", ()), self.wrote) if self.wrote else {},
            **({"asked": self.asked} if self.asked else {}),
        }

    def _filled(self, told: Message, over: list[int]) -> Message:
        """New grants where there is room, also in the place of what is over."""
        if told["room"] or (told["room_if_over"] and over):
            return {"starts": self._starts(), "filled": not self.waiting}
        return {"starts": []}

    def _report(self, report: Message) -> None:
        """Stored once; one that repeats an older one says the same."""
        known = [older for older in self.reports if older["attempt"] == report["attempt"]]
        assert not known or known == [report]
        if not known:
            self.reports.append(report)
        self.grants[report["grant"]].given.pop(report["attempt"], None)

    def _take_back(self, grant: Grant, keep: set[int]) -> None:
        for attempt in [attempt for attempt in grant.given if attempt not in keep]:
            grant.subjob.frames.append(grant.given.pop(attempt))

    def _take_back_unheld(self, told: Message) -> None:
        """Grants that went out in an answer which was lost wait for a place again."""
        for number, grant in self.grants.items():
            if not grant.gone and not grant.over and str(number) not in told["held"]:
                self._gone(grant)
                self.waiting.append(grant.subjob)

    def _gone(self, grant: Grant) -> None:
        self._take_back(grant, keep=set())
        grant.gone = True

    def _more(self, want: list[int]) -> tuple[dict[str, list[Message]], list[int]]:
        frames = {str(number): self._frames(self.grants[number]) for number in want}
        over = [number for number in want if not frames[str(number)] and not self.grants[number].given]
        for number in over:
            self.grants[number].over = True
        return frames, over

    def _starts(self) -> list[Message]:
        if not self.waiting:
            return []
        grant = Grant(self.waiting.popleft())
        number = next(self._numbers)
        self.grants[number] = grant
        subjob = grant.subjob
        return [{"grant": number, "job": subjob.job, "subjob": subjob.idx, "frames": self._frames(grant)}]

    def _frames(self, grant: Grant) -> list[Message]:
        found: list[Message] = []
        while grant.subjob.frames and len(found) < self.give:
            pos, name = grant.subjob.frames.popleft()
            attempt = next(self._numbers)
            grant.given[attempt] = (pos, name)
            token = f"qba_{attempt}"
            told = {"attempt": attempt, "pos": pos, "name": name, "package": None, "token": token}
            found.append({**told, "command": self.commands.get(name, "")})
        return found

    def _log(self, path: str, offset: int, body: bytes) -> Message:
        _, grant, stream = path.split("/")
        known = self.logs.setdefault((int(grant), stream), bytearray())
        assert offset <= len(known), "a gap in the log"
        known[offset : offset + len(body)] = body
        return {"size": len(known)}

    async def _websocket(self, scope: Message, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        assert headers[b"authorization"] == b"Bearer qbh_host"
        assert headers[b"x-qb-session"].decode() == self.session
        await receive()
        if not self.websockets:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        box: asyncio.Queue[str] = asyncio.Queue()
        self._sockets.add(box)
        sender = asyncio.create_task(self._send_hints(box, send))
        while (message := await receive())["type"] == "websocket.receive":
            with self.changed:
                told = json.loads(message["text"])
                self.loads += [told["load"]] if "load" in told else []
                self.progress.append(told.get("progress", {}))
                self.beats += 1
                self.changed.notify_all()
        self._sockets.discard(box)
        sender.cancel()

    async def _send_hints(self, box: asyncio.Queue[str], send: Any) -> None:
        while True:
            await send({"type": "websocket.send", "text": await box.get()})
