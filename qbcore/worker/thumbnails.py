"""Thumbnails of what frames wrote: made by a child with little to spend, one at a time, and sent when there is time.

Nothing waits for them. When more come than can be made, the oldest are dropped with a line in the log.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from qbcore.worker.accounts import Account
from qbcore.worker.client import BadToken, Client, NoAnswer, Refusal, pauses

log = logging.getLogger(__name__)

WIDTH = 320  # pixels of the longer side
LARGEST = 64 * 1024  # bytes
SECONDS = 60.0  # that one may take, however slow its file server is and however busy the host
WAITING = 48  # files that wait at most
OF_ONE = 4  # files of one attempt that get one
TRIES = 4  # at sending
KINDS = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".tga", ".bmp", ".webp", ".gif", ".exr", ".hdr", ".dpx"))
PROGRAM = [sys.executable, "-I", str(Path(__file__).resolve().with_name("picture.py"))]
SEEN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


@dataclass(frozen=True)
class File:
    """One file that an attempt wrote: its how manieth, as it was named and where it lies; and as whom, if not as the
    worker.
    """

    attempt: int
    number: int
    name: str
    path: str
    account: Account | None = None


@dataclass(frozen=True)
class Drawn:
    """A thumbnail, and the size of the picture that it is of."""

    width: int
    height: int
    data: bytes


class NotDrawn(Exception):  # noqa: N818
    """There is no thumbnail of the file; the text says why."""


class Painter(threading.Thread):
    """Give it files that are under `roots`; of others there is none."""

    def __init__(self, roots: Sequence[str]) -> None:
        super().__init__(name="thumbnails", daemon=True)
        self._roots = list(roots)
        self._oiiotool = shutil.which("oiiotool") or ""
        self._client: Client | None = None
        self._files: deque[File] = deque()
        self._changed = threading.Condition()
        self._dropped = 0

    def begin(self, client: Client) -> None:
        """Sends over this connection from now on. Without roots there is nothing to do."""
        if self._roots:
            self._client = client
            self.start()

    def offer(self, attempt: int, paths: list[str], account: Account | None = None, cwd: str = "") -> None:
        """The files of an attempt that the supervisor knows; relative ones lie in *cwd*. Never waits."""
        if self._client is None:
            return
        wanted = [path for path in paths if Path(path).suffix.lower() in KINDS][:OF_ONE]
        with self._changed:
            self._files.extend(
                File(attempt, number, name, str(Path(cwd, name)), account) for number, name in enumerate(wanted)
            )
            while len(self._files) > WAITING:
                self._files.popleft()
                self._dropped += 1
            self._changed.notify()

    def run(self) -> None:
        while True:
            file = self._next()
            try:
                self._send(file, draw(file.path, self._roots, self._oiiotool, file.account))
            except NotDrawn as why:
                log.info("no thumbnail of %r: %s", file.path, why)
            except BadToken:
                return  # the next sync learns the same and stops the worker
            except Refusal as refused:
                log.warning("the thumbnail of %r was refused: %s", file.path, refused)

    def _next(self) -> File:
        with self._changed:
            self._changed.wait_for(lambda: self._files)
            if self._dropped:
                log.warning("%d thumbnails were dropped: frames end faster than they are made", self._dropped)
                self._dropped = 0
            return self._files.popleft()

    def _send(self, file: File, drawn: Drawn) -> None:
        assert self._client is not None
        query = urlencode({"width": drawn.width, "height": drawn.height, "path": file.name})
        for pause, _ in zip(pauses(), range(TRIES), strict=False):
            try:
                self._client.put(f"thumbnail/{file.attempt}/{file.number}?{query}", drawn.data)
                return
            except NoAnswer:
                time.sleep(pause)
        log.warning("the thumbnail of %r could not be sent", file.path)


def draw(path: str, roots: Sequence[str], oiiotool: str = "", account: Account | None = None) -> Drawn:
    """The thumbnail of a file, made as the account that wrote it. Raises NotDrawn."""
    asked: dict[str, Any] = {"path": path, "roots": list(roots), "width": WIDTH, "most": LARGEST, "oiiotool": oiiotool}
    asked["who"] = account.numbers() if account else None
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(
            PROGRAM, stdin=pipe, stdout=pipe, stderr=pipe, env=SEEN, cwd="/", start_new_session=True
        )
    except OSError as wrong:
        raise NotDrawn(f"its program cannot be started: {wrong}") from wrong
    try:
        assert child.stdin and child.stdout and child.stderr
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(asked).encode())
            child.stdin.close()
        said = _read(child.stdout.fileno(), LARGEST + 1024, time.monotonic() + SECONDS)
        if said is None:
            raise NotDrawn(f"it took more than {SECONDS:g} s, or said too much")
        if child.wait(SECONDS):
            raise NotDrawn(_why(child))
    except subprocess.TimeoutExpired as late:
        raise NotDrawn("its program did not end") from late
    finally:
        _end(child)
    return _drawn(said)


def _read(pipe: int, most: int, until: float) -> bytes | None:
    """All that comes until the pipe is closed; None when that is too much or takes too long."""
    parts: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while sum(map(len, parts)) <= most:
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            part = os.read(pipe, 65536)
            if not part:
                return b"".join(parts)
            parts.append(part)
    return None


def _why(child: subprocess.Popen[bytes]) -> str:
    assert child.stderr
    if child.returncode < 0:
        return f"its program was ended by signal {-child.returncode}: it took too much time or memory"
    said = os.read(child.stderr.fileno(), 4096).decode("utf-8", "replace").strip().splitlines()
    return said[-1][:300] if said else f"its program ended with {child.returncode}"


def _end(child: subprocess.Popen[bytes]) -> None:
    """With all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            with suppress(OSError):
                pipe.close()


def _drawn(said: bytes) -> Drawn:
    head, _, data = said.partition(b"\n")
    try:
        size = json.loads(head)
        return Drawn(int(size["width"]), int(size["height"]), data)
    except (KeyError, TypeError, ValueError) as wrong:
        raise NotDrawn("its program did not say what it drew") from wrong
