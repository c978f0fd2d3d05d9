"""Where a supervisor is: the name, name:port or URL that people write, as one comparable address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from qbcore.errors import Invalid

DEFAULT_PORT = 8000

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_PATH = re.compile(r"[!-~]*")
_HINT = "Write a name, name:port or URL, such as farm01, farm01:8000 or https://farm.example."


@dataclass(frozen=True)
class Address:
    """Scheme, host, port and the path under which the supervisor's pages begin ('' when at the top)."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """The URL without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def key(self) -> Address:
        """The same for every name of this machine's loopback: tells whether two addresses are one supervisor."""
        host = "localhost" if self.host in _LOOPBACK else self.host
        return Address(self.scheme, host, self.port, self.path)

    def at_port(self, port: int) -> Address:
        return Address(self.scheme, self.host, _port(port), self.path)


def parse_address(text: str) -> Address:
    """The address in a name, name:port (http, port 8000) or URL (a URL without port means 80, or 443 with https).

    Raises Invalid (field 'supervisor').
    """
    text = text.strip()
    has_scheme = bool(_SCHEME.match(text))
    split = _split(text if has_scheme else f"http://{_bracketed(text)}")
    if split.scheme not in _PORTS:
        raise _bad(text, f"'{split.scheme}' is neither http nor https")
    if split.username is not None or split.query or split.fragment or not _PATH.fullmatch(split.path):
        raise _bad(text, "an address has no user, query, fragment or blanks")
    given = _given_port(split, text)
    port = _PORTS[split.scheme] if has_scheme else DEFAULT_PORT
    return Address(split.scheme, _host(split, text), port if given is None else _port(given), split.path.rstrip("/"))


def _bracketed(text: str) -> str:
    return f"[{text}]" if _BARE_IPV6.fullmatch(text) else text


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise _bad(text, str(error)) from error


def _host(split: SplitResult, text: str) -> str:
    host = split.hostname or ""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise _bad(text, "no host has such a name") from error
    if not host or re.search(r"[\s\x00-\x1f\x7f]", host):
        raise _bad(text, "it names no host")
    return host


def _given_port(split: SplitResult, text: str) -> int | None:
    try:
        return split.port
    except ValueError as error:
        raise _bad(text, "a port is a number from 1 to 65535") from error


def _port(number: int) -> int:
    if not 1 <= number <= 65535:
        raise Invalid(f"{number} is no port: ports go from 1 to 65535", field="port")
    return number


def _bad(text: str, why: str) -> Invalid:
    return Invalid(f"'{text[:200]}' is not the address of a supervisor: {why}", field="supervisor", hint=_HINT)
