"""The farm over HTTP: the transport of scripts in processes of their own. Standard library only.

One kept-alive connection per thread and supervisor. A token is sent to the supervisor it belongs to and nowhere else:
redirects are refused, ping carries none.
"""

from __future__ import annotations

import http.client
import os
import selectors
import socket
import ssl
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from qbcore.errors import Invalid, QubeError, Unauthorized, Unreachable, from_wire, set_error
from qbcore.remote.address import Address, parse_address
from qbcore.remote.credentials import default_address, path_in_use, token_for
from qbcore.remote.environment import with_environment
from qbcore.remote.wire import dumps, loads

READS = frozenset(
    [
        *("ping", "jobinfo", "hostinfo", "workerinfo", "hist", "stdout", "stderr", "log", "info", "version", "stats"),
        *("currenttime", "isadmin", "supervisorconfig", "workerconfig", "workerping", "bannedworkers", "getresources"),
        *("joborder", "hostorder", "workorder", "resource", "jobtagvalues", "validatejob", "jobobj"),
    ]
)
# Submit may be repeated because its key tells the supervisor that it is the same call; of the others the second call
# finds what the first one did.
REPEATABLE = READS | {"submit", "requestwork", "reportwork", "reportjob"}
OF_ATTEMPTS = frozenset({"jobobj", "requestwork", "reportwork", "reportjob"})
"""What the process of a job asks as the attempt that it is, whichever other token it has."""
DEFAULT_TIMEOUT = 60_000  # milliseconds

_DROPPED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
_HOW_TO_NAME = "Set QB_SUPERVISOR to its name, name:port or URL."


class _Choice:
    """What a script chose for its whole process."""

    supervisor: str = ""
    timeout: int = DEFAULT_TIMEOUT


class _Lines(dict[tuple[Any, ...], http.client.HTTPConnection]):
    """The connections of one thread; they are closed with it."""

    def __del__(self) -> None:
        for connection in self.values():
            connection.close()


class _Thread(threading.local):
    def __init__(self) -> None:
        self.lines = _Lines()


_thread = _Thread()


def setsupervisor(supervisor: str | None = None) -> bool:
    """Chooses the supervisor of this process: a name, name:port or URL; it wins over QB_SUPERVISOR. None undoes that.

    Returns True. Raises Invalid when it is no address. Source: named by the reference; ours.
    """
    _Choice.supervisor = parse_address(supervisor).url if supervisor else ""
    return True


def getsupervisor() -> str:
    """The URL of the supervisor that the next call asks, or '' when none is known.

    It is the one of setsupervisor, else QB_SUPERVISOR as it is now, else the default section of the credentials.
    Source: named by the reference; ours.
    """
    found = _known_address()
    return found.url if found else ""


def settimeout(ms: int) -> bool:
    """Chooses how long a call waits for each piece of its answer, in milliseconds (60000 unless set). Returns True.

    Raises Invalid for anything but a number above 0. Source: named by the reference; ours.
    """
    if isinstance(ms, bool) or not isinstance(ms, (int, float)) or not 1 <= ms < float("inf"):
        raise Invalid("a timeout is a number of milliseconds, at least 1", field="ms")
    _Choice.timeout = int(ms)
    return True


def gettimeout() -> int:
    """How long a call waits for each piece of its answer, in milliseconds. Source: named by the reference; ours."""
    return _Choice.timeout


def configuration() -> dict[str, Any]:
    """How this process reaches the farm: {supervisor (URL, '' when none is named), timeout (ms), credentials, token}.

    `token`: whether there is one for it.
    """
    address = _known_address()
    return {
        "supervisor": address.url if address else "",
        "timeout": gettimeout(),
        "credentials": str(path_in_use()),
        "token": bool(address and token_for(address)[0]),
    }


def call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Asks the supervisor for one function of the API and returns its result as plain values.

    Raises the error that the farm raised; Unreachable when no farm answers; Unauthorized without a token for it.
    """
    if name == "ping":
        return _ping(*args, **kwargs)
    address = _address()
    token, source = token_for(address, as_attempt=name in OF_ATTEMPTS)
    if not token:
        raise Unauthorized(_no_token(address))
    headers = {"Authorization": f"Bearer {token}"}
    if name == "submit":
        args = with_environment(args)
        headers["Idempotency-Key"] = uuid.uuid4().hex
    body = dumps({"args": list(args), "kwargs": dict(kwargs)})
    try:
        return _ask(address, name, body, headers, timeout=_Choice.timeout / 1000)
    except Unauthorized as error:
        raise Unauthorized(f"{error.message} (asked {address.url} with the token from {source})") from error


def close() -> None:
    """Closes this thread's connections; the next call opens one anew."""
    for connection in _thread.lines.values():
        connection.close()
    _thread.lines.clear()


def _ping(
    host: str | None = None,
    port: int | str | None = None,
    timeout: float = 10,
    supervisor: str | None = None,
    asDict: bool = False,  # noqa: FBT001, FBT002, N803 - the API's spelling
) -> bool | dict[str, Any]:
    """Never raises and sends no token; why a supervisor did not answer stands in qb.error()."""
    url = supervisor or host or ""
    try:
        address = _pinged(supervisor or host, port)
        url = address.url
        answer = _ask(address, "ping", b"{}", {}, timeout=float(timeout))
    except (QubeError, ValueError, TypeError) as error:
        set_error(str(error))
        return {"alive": False, "url": url, "error": str(error)} if asDict else False
    facts = answer if isinstance(answer, dict) else {}
    return {**facts, "alive": True, "url": url} if asDict else True


def _pinged(text: str | None, port: int | str | None) -> Address:
    address = parse_address(text) if text else _address()
    return address if port is None else address.at_port(int(port))


def _known_address() -> Address | None:
    text = _Choice.supervisor or os.environ.get("QB_SUPERVISOR", "").strip()
    return parse_address(text) if text else default_address()


def _address() -> Address:
    found = _known_address()
    if found is None:
        raise Unreachable(f"No supervisor is named. {_HOW_TO_NAME} `make run` starts one and remembers it.")
    return found


def _no_token(address: Address) -> str:
    path = path_in_use()
    return (
        f"there is no token for {address.url}: set QB_TOKEN, or put `token = ...` into a section [{address.url}] "
        f"of {path} (`make run` writes one for its own farm)"
    )


def _ask(address: Address, name: str, body: bytes, headers: dict[str, str], *, timeout: float) -> Any:
    try:
        status, location, answer = _exchange(address, name, body, headers, timeout=timeout)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(_failure(address, name, error, timeout)) from error
    if 300 <= status < 400:
        raise Unreachable(f"{address.url} redirects to {location[:200]!r}; a token is not sent on. {_HOW_TO_NAME}")
    return _result(address, status, answer)


def _failure(address: Address, name: str, error: Exception, timeout: float) -> str:
    is_late = isinstance(error, socket.timeout)
    reason = f"nothing came within {timeout:g} s" if is_late else _reason(error)
    doubt = name not in READS and (is_late or isinstance(error, (*_DROPPED, http.client.IncompleteRead)))
    advice = f"{name} may have been carried out all the same: look before you repeat it." if doubt else _HOW_TO_NAME
    return f"{address.url} does not answer: {reason}. {advice}"


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) else ""
    return (told or str(error) or type(error).__name__).rstrip(".")


def _exchange(
    address: Address, name: str, body: bytes, headers: dict[str, str], *, timeout: float
) -> tuple[int, str, bytes]:
    """One request and its answer (status, location, body), on the kept connection if it still stands."""
    connection = _connection(address, timeout)
    kept = connection.sock is not None
    try:
        return _post(connection, f"{address.path}/api/v1/{name}", body, headers)
    except _DROPPED:
        if not kept or name not in REPEATABLE:
            raise
        return _post(connection, f"{address.path}/api/v1/{name}", body, headers)


def _post(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str, bytes]:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        with connection.getresponse() as response:
            return response.status, response.getheader("Location", ""), response.read()
    except BaseException:
        connection.close()  # half an answer may still be on its way; the next request opens a new one
        raise


def _connection(address: Address, timeout: float) -> http.client.HTTPConnection:
    """This thread's connection to that supervisor; one that the other side has closed meanwhile is opened anew."""
    key = (os.getpid(), address.scheme, address.host, address.port)  # a forked child must not share its parent's
    connection = _thread.lines.get(key)
    if connection is None:
        connection = _thread.lines[key] = _new_connection(address)
    connection.timeout = timeout
    if connection.sock is not None and _has_ended(connection.sock):
        connection.close()
    if connection.sock is not None:
        connection.sock.settimeout(timeout)
    return connection


def _new_connection(address: Address) -> http.client.HTTPConnection:
    if address.scheme == "https":
        return http.client.HTTPSConnection(address.host, address.port, context=ssl.create_default_context())
    return http.client.HTTPConnection(address.host, address.port)


def _has_ended(sock: Any) -> bool:
    """Nothing is due on an idle connection: whatever there is to read is its end."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _result(address: Address, status: int, body: bytes) -> Any:
    """The result, or the farm's error raised; Unreachable when what answered is not a farm."""
    try:
        answer = loads(body)
    except Invalid:
        answer = None
    if isinstance(answer, dict) and status == 200 and "result" in answer:
        return answer["result"]
    raise _error(answer) or Unreachable(
        f"what answers at {address.url} is not a farm (HTTP status {status}). {_HOW_TO_NAME}"
    )


def _error(answer: Any) -> QubeError | None:
    told = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(told, dict):
        return None
    code, message = told.pop("code", None), told.pop("message", None)
    if not (isinstance(code, str) and isinstance(message, str)):
        return None
    return from_wire(code, message, **told)
