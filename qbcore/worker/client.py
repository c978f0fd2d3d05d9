"""Requests to the supervisor over one kept connection: JSON in and out, refusals as exceptions."""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

import orjson

from qbcore.remote.address import Address

PROTOCOL = 2
SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
LONGEST_AFTER = 120.0
"""Seconds that a supervisor may ask to be left alone."""


class NoAnswer(Exception):  # noqa: N818
    """Nothing that counts came back: no connection, a time-out, or a supervisor that cannot now. Ask again later.

    `after`: seconds for which the supervisor asks to be left alone; 0 when it did not say.
    """

    def __init__(self, message: str = "", after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class Refusal(Exception):  # noqa: N818
    """The supervisor says no. `code` is its word for why."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message or f"the supervisor answered {status} {code}")
        self.http = status
        self.code = code


class BadToken(Refusal):
    """401: the token is unknown, used, expired or revoked."""


class Contradiction(Refusal):
    """409: somebody else speaks for this host, or something newer was said."""


class Forgotten(Refusal):
    """410: the thing is not there any more."""


class TooLarge(Refusal):
    """413: send less at once."""


class OtherVersion(Refusal):
    """426: the supervisor speaks another version of the protocol."""


_KINDS: dict[int, type[Refusal]] = {
    401: BadToken,
    409: Contradiction,
    410: Forgotten,
    413: TooLarge,
    426: OtherVersion,
}


class Client:
    """One connection, for one thread. Every request may be repeated, so a connection that went stale is retried."""

    def __init__(self, address: Address, token: str = "", *, timeout: float = 10.0) -> None:
        """`timeout` in seconds, for connecting and for each answer."""
        self.token = token
        self._path = f"{address.path}/worker/v1"
        self._connection = _connection(address, timeout)

    def post(self, what: str, body: bytes) -> dict[str, Any]:
        """The answer to a JSON body. Raises NoAnswer or a Refusal."""
        return self._ask("POST", what, body, "application/json")

    def put(self, what: str, body: bytes) -> dict[str, Any]:
        """The answer to raw bytes. Raises NoAnswer or a Refusal."""
        return self._ask("PUT", what, body, "application/octet-stream")

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, what: str, body: bytes, kind: str) -> dict[str, Any]:
        reused = self._connection.sock is not None
        try:
            status, content, after = self._exchange(method, what, body, kind)
        except (OSError, HTTPException) as error:
            self._connection.close()
            if reused and isinstance(error, ConnectionError):  # the supervisor had closed it while it was idle
                return self._ask(method, what, body, kind)
            raise NoAnswer(str(error) or type(error).__name__) from error
        return _judged(status, content, after)

    def _exchange(self, method: str, what: str, body: bytes, kind: str) -> tuple[int, bytes, float]:
        headers = {"Content-Type": kind}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        self._connection.request(method, f"{self._path}/{what}", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read(), _seconds(response.getheader("Retry-After"))


def _seconds(told: str | None) -> float:
    """A Retry-After in seconds; its other form, a date, is no business of a program without a clock to trust."""
    return min(float(told), LONGEST_AFTER) if told and told.isdecimal() else 0.0


def pauses(longest: float = LONGEST_PAUSE) -> Iterator[float]:
    """Seconds to wait before each further try: growing, and uneven so that a thousand workers do not ask at once."""
    pause = SHORTEST_PAUSE
    while True:
        yield pause * random.uniform(0.8, 1.2)
        pause = min(pause * 2, longest)


def _connection(address: Address, timeout: float) -> HTTPConnection:
    if address.scheme == "https":
        context = ssl.create_default_context()
        return HTTPSConnection(address.host, address.port, timeout=timeout, context=context)
    return HTTPConnection(address.host, address.port, timeout=timeout)


def _judged(status: int, content: bytes, after: float = 0.0) -> dict[str, Any]:
    try:
        body = orjson.loads(content or b"{}")
    except ValueError:
        body = None
    if status == 200 and isinstance(body, dict):
        return body
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, dict) else {}
    if status == 429 or not 400 <= status < 500:
        raise NoAnswer(f"it answered {status} {told.get('message', '')}".strip(), after)
    kind = _KINDS.get(status, Refusal)
    raise kind(status, str(told.get("code", "")), str(told.get("message", "")))
