"""The worker's protocol on the wire: plain ASGI, because hosts ask often and need nothing of a page's machinery.

Requests run in threads of their own, apart from the pages'. The websocket carries hints down and beats up; beats of all
hosts are written once a second in one statement.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from math import ceil
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.db import close_old_connections

from farm import beats, metrics
from farm.greetings import Crowded, greetings
from qbcore import backend, events, hosts, logs, progress, thumbnails
from qbcore.errors import Invalid, NotFound, QubeError, Unauthorized
from qbcore.rousing import rousing
from qbcore.writing import AWAY

log = logging.getLogger(__name__)
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
MOST_BYTES = 8 * 1024 * 1024
FLUSH = 1.0
BETWEEN, AGAIN, SWEEP = 0.05, 1.0, 5.0
"""Seconds between two rounds of waking: at least, while work still waits, and when nothing was heard."""
TRUSTED = 30.0
"""Seconds for which a revoked token can still write its own host's logs."""
TOLD = 5.0
"""And be told that its session is another's, which ends a worker as well."""
PREFIX = "/worker/v1/"
BEGINNINGS = (f"{PREFIX}hello", f"{PREFIX}join")
"""What all hosts of a farm may ask at once, and nothing that runs waits for."""

_threads = ThreadPoolExecutor(max_workers=6, thread_name_prefix="worker-protocol")


class TooLarge(QubeError):  # noqa: N818 -- reads as what happened
    """The body is too large: send smaller pieces."""

    code = "too_large"
    status = 413


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """One request of a worker."""
    try:
        body = await _body(receive)
        if scope["path"] in BEGINNINGS:
            answer = await greetings.take(partial(_answer, scope, body))
        else:
            answer = await asyncio.get_running_loop().run_in_executor(_threads, _answer, scope, body)
        await _respond(send, 200, answer)
    except Crowded as crowded:
        later = (b"retry-after", str(ceil(crowded.after)).encode())
        await _respond(send, crowded.status, {"error": crowded.to_wire()}, later)
    except QubeError as refusal:
        await _respond(send, refusal.status, {"error": refusal.to_wire() | {"message": str(refusal)}})
    except AWAY as away:
        log.warning("%s: the database does not answer: %s", scope["path"], away)
        await _respond(send, 503, {"error": {"code": "database", "message": "the supervisor waits for its database"}})
    except Exception:
        log.exception("%s failed", scope["path"])
        await _respond(send, 500, {"error": {"code": "internal", "message": "the supervisor failed; its log says why"}})


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Invalid("the request ended before its body did", field="body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise TooLarge()
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(send: Send, status: int, answer: dict[str, Any], *more: tuple[bytes, bytes]) -> None:
    body = orjson.dumps(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _answer(scope: Scope, body: bytes) -> dict[str, Any]:
    try:
        return _route(scope, body)
    finally:
        close_old_connections()


def _route(scope: Scope, body: bytes) -> dict[str, Any]:
    what, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
    if what == "log" and scope["method"] == "PUT":
        return _log(scope, rest, body)
    if what == "thumbnail" and scope["method"] == "PUT":
        return _thumbnail(scope, rest, body)
    if scope["method"] != "POST" or rest or what not in ("join", "hello", "sync"):
        raise NotFound(f"there is no {scope['method']} {scope['path']} in the worker's protocol")
    said = _json(body)
    if what == "join":
        return hosts.join(said)
    token = _token(scope)
    if what == "hello":
        return hosts.hello(hosts.host_for_token(token), said)
    return backend.sync(_known(token, TOLD), said)


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise Invalid(f"the body is not JSON: {wrong}", field="body") from wrong
    if not isinstance(said, dict):
        raise Invalid("the body must be a JSON object", field="body")
    return said


def _token(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization" and value.startswith(b"Bearer "):
            return str(value[7:].decode("latin-1")).strip()
    raise Unauthorized("the worker's token is missing: send Authorization: Bearer …")


def _log(scope: Scope, rest: str, body: bytes) -> dict[str, Any]:
    host = _writer(_token(scope))
    grant, _, stream = rest.partition("/")
    offset = parse_qs(scope["query_string"].decode("latin-1")).get("offset", ["0"])[0]
    if not grant.isdecimal() or not offset.isdecimal() or len(grant) > 18 or len(offset) > 15:
        raise Invalid("write log/<grant>/<out|err|marks>?offset=<bytes>", field="path")
    if len(body) > logs.LARGEST_CHUNK:
        raise TooLarge()
    size = logs.append(host, int(grant), stream, int(offset), body)
    metrics.LOG_BYTES.inc(len(body))
    return {"size": size}


def _writer(token: str) -> int:
    """The host whose token this is, which is asked for once in a while: pieces of logs come many a second."""
    return _known(token, TRUSTED)


def _known(token: str, seconds: float) -> int:
    return _known_host(token, seconds, int(time.monotonic() / seconds))


@lru_cache(maxsize=8192)
def _known_host(token: str, seconds: float, turn: int) -> int:
    return hosts.host_for_token(token)


def _thumbnail(scope: Scope, rest: str, body: bytes) -> dict[str, Any]:
    host = hosts.host_for_token(_token(scope))
    attempt, _, number = rest.partition("/")
    asked = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
    numbers = [attempt, number, asked.get("width", ""), asked.get("height", "")]
    if not all(text.isdecimal() and len(text) < 19 for text in numbers):
        raise Invalid("write thumbnail/<attempt>/<number>?width=<pixels>&height=<pixels>&path=<file>", field="path")
    told = thumbnails.Told(int(attempt), int(number), asked.get("path", ""), int(numbers[2]), int(numbers[3]))
    return {"id": thumbnails.keep(host, told, body)}


class Sockets:
    """The workers' websockets of this process: who is here, and who beat since the last write."""

    def __init__(self) -> None:
        self._here: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._beats: dict[int, str] = {}
        self._loads: dict[int, beats.Load] = {}
        self._progress: dict[int, progress.Told] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work = asyncio.Event()

    async def run(self) -> None:
        """Writes beats once a second and hands hints on, for as long as this process serves."""
        self._loop = asyncio.get_running_loop()
        self._work = asyncio.Event()
        stop = events.subscribe(self._heard)
        calling = asyncio.create_task(self._call())
        try:
            while True:
                await asyncio.sleep(FLUSH)
                await self._flush()
        finally:
            stop()
            calling.cancel()

    async def _call(self) -> None:
        """Wakes hosts for work that waits: as many as are needed, and others a moment later while it still waits."""
        pause = SWEEP
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), pause)
            again = not self._work.is_set()
            self._work.clear()
            woken = await self._whom(again=again)
            self._wake(woken)
            pause = AGAIN if woken else SWEEP
            await asyncio.sleep(BETWEEN)

    async def _whom(self, *, again: bool) -> list[int]:
        if not self._here:
            return []
        try:
            ask = partial(_whom, list(self._here), again=again)
            return await asyncio.get_running_loop().run_in_executor(_threads, ask)
        except Exception as error:
            log.warning("nobody was woken for work that waits: %s", error)
            return []

    async def _flush(self) -> None:
        beats, self._beats = self._beats, {}
        loads, self._loads = self._loads, {}
        told, self._progress = self._progress, {}
        if not beats:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(_threads, _beat, beats, loads, told)
        except Exception as error:
            log.warning("beats of %d hosts were not written: %s", len(beats), error)

    def _heard(self, hint: events.Hint) -> None:
        """Called from the publisher's thread."""
        if hint["kind"] == "wake" and self._loop is not None:
            if hint["ids"] is None:
                self._loop.call_soon_threadsafe(self._work.set)
            else:
                self._loop.call_soon_threadsafe(self._wake, hint["ids"])

    def _wake(self, ids: list[int]) -> None:
        for host in ids:
            for due in self._here.get(host, ()):
                due.set()

    def beat(self, host: int, session: str, load: beats.Load | None = None, told: progress.Told | None = None) -> None:
        """A sign of life, with how busy the host is and how far its frames are where its worker says so."""
        self._beats[host] = session
        if load is not None:
            self._loads[host] = load
        if told:
            self._progress.setdefault(host, {}).update(told)

    def enter(self, host: int) -> asyncio.Event:
        due = asyncio.Event()
        self._here[host].add(due)
        return due

    def leave(self, host: int, due: asyncio.Event) -> None:
        self._here[host].discard(due)
        if not self._here[host]:
            del self._here[host]
            rousing.left(host)


sockets = Sockets()


def _beat(beats: dict[int, str], loads: dict[int, beats.Load], told: dict[int, progress.Told]) -> list[int]:
    try:
        gone = hosts.beat(beats, loads)
        if current := {host: some for host, some in told.items() if host not in gone}:
            progress.store(current)
        return gone
    finally:
        close_old_connections()


def _whom(here: list[int], *, again: bool) -> list[int]:
    try:
        return rousing.whom(here, again=again)
    finally:
        close_old_connections()


def _greet(token: str) -> int:
    try:
        return hosts.host_for_token(token)
    finally:
        close_old_connections()


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """A worker's websocket: refused before it opens when the token is no host's."""
    await receive()
    try:
        host = await asyncio.get_running_loop().run_in_executor(_threads, _greet, _token(scope))
    except QubeError:
        await send({"type": "websocket.close", "code": 4401})
        return
    session = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-qb-session"), "")
    await send({"type": "websocket.accept"})
    due = sockets.enter(host)
    hints = asyncio.create_task(_hints(due, send))
    try:
        await _listen(receive, host, session)
    finally:
        hints.cancel()
        sockets.leave(host, due)


async def _hints(due: asyncio.Event, send: Send) -> None:
    while True:
        await due.wait()
        due.clear()
        await send({"type": "websocket.send", "text": '{"sync": true}'})


async def _listen(receive: Receive, host: int, session: str) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text") or ""
        sockets.beat(host, session, beats.load(text), beats.progress_in(text))
