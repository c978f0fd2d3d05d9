"""A supervisor's HTTP side for tests: notes what it is asked and answers what the test says, also nonsense."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request as it came in; `line` tells connections apart."""

    path: str
    headers: dict[str, str]
    body: Any
    line: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass
class Supervisor:
    """`answers` are taken in order; once they are used up every call answers {"result": []}."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: list[Callable[[Handler], None]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    closed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def names(self) -> list[str]:
        return [one.name for one in self.asked]

    def wait_closed(self) -> None:
        """Returns once one connection has been closed by either side."""
        assert self.closed.acquire(timeout=10), "no connection was closed"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    supervisor: Supervisor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.supervisor.asked.append(Asked(self.path, dict(self.headers), json.loads(body), id(self)))
        answer = self.supervisor.answers.pop(0) if self.supervisor.answers else result([])
        answer(self)

    def finish(self) -> None:
        super().finish()
        self.request.close()
        self.supervisor.closed.release()

    def log_message(self, *args: Any) -> None:
        """Says nothing: the tests look at what was asked."""


Answer = Callable[[Handler], None]


def body(status: int, content: bytes, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def result(value: Any) -> Answer:
    return body(200, json.dumps({"result": value}).encode())


def refusal(status: int, **error: Any) -> Answer:
    return body(status, json.dumps({"error": error}).encode())


def raw(content: bytes) -> Answer:
    """Bytes as they are, then the end of the connection."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def then_close(answer: Answer) -> Answer:
    """The answer promises nothing, and the connection ends after it, as an idle one does on a real server."""

    def answer_and_close(handler: Handler) -> None:
        answer(handler)
        handler.close_connection = True

    return answer_and_close


drop = raw(b"")


def hang(handler: Handler) -> None:
    """No answer until the test ends."""
    handler.supervisor.release.wait(timeout=60)
    handler.close_connection = True


@contextmanager
def running() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    bound = type("BoundHandler", (Handler,), {"supervisor": supervisor})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        supervisor.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield supervisor
        finally:
            supervisor.release.set()
            server.shutdown()
            thread.join()
