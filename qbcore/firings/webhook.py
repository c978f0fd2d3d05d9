"""Webhooks: one signed POST to a host that the site allows, to the very address that was looked at, never further."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from qbcore.callbacks.languages import unreachable
from qbcore.errors import Invalid, Refused
from qbcore.firings.occasion import Later, Occasion

SECONDS = 5.0
PASSING = frozenset({408, 425, 429})
"""Refusals of a server that another try may turn."""


def send_webhook(occasion: Occasion) -> str:
    """Sends it; raises Later for what may work another time."""
    url = str(occasion.given.get("url") or (occasion.callback.code if occasion.callback else "")).strip()
    why = unreachable(url)
    if why:
        raise Refused(why)
    body = json.dumps(_content(occasion), sort_keys=True).encode()
    try:
        status = post(urlsplit(url), body, str(occasion.firing.delivery))
    except (OSError, http.client.HTTPException) as wrong:
        raise Later(f"{_place(url)} did not answer: {wrong or type(wrong).__name__}") from wrong
    return _judged(status, _place(url))


def _content(occasion: Occasion) -> dict[str, Any]:
    firing = occasion.firing
    return {
        "delivery": str(firing.delivery),
        "callback": firing.callback_id,
        "event": firing.event,
        "at": int(firing.at.timestamp()),
        "frame": firing.frame,
        "subjob": firing.subjob,
        "job": occasion.facts(),
    }


def _judged(status: int, place: str) -> str:
    if 200 <= status < 300:
        return f"{place} answered {status}"
    if 300 <= status < 400:
        raise Invalid(f"{place} answered {status}, which sends elsewhere: webhooks follow no redirects")
    if status >= 500 or status in PASSING:
        raise Later(f"{place} answered {status}")
    raise Invalid(f"{place} answered {status}")


def _place(url: str) -> str:
    return urlsplit(url).netloc


def signature(body: bytes) -> str:
    """What the receiver compares: the HMAC-SHA256 of the body with the secret that both know."""
    return "sha256=" + hmac.new(settings.FARM_WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()


def post(url: SplitResult, body: bytes, delivery: str) -> int:
    """The status of the answer; its body is not read. The whole takes SECONDS at most."""
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    plain = _connected(host, port)
    connection.sock = plain
    ending = threading.Timer(SECONDS, _end, [connection])
    ending.start()
    try:
        if url.scheme == "https":
            _encrypt(connection, host)
        headers = {
            "Host": url.netloc, "Content-Type": "application/json", "User-Agent": "qbfarm",
            "X-QB-Delivery": delivery, "X-QB-Signature": signature(body), "Connection": "close",
        }  # fmt: skip
        connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
        return connection.getresponse().status
    finally:
        ending.cancel()
        connection.close()


def _encrypt(connection: http.client.HTTPConnection, host: str) -> None:
    """The handshake comes after the socket is the connection's, so that the end of its time reaches it."""
    context = ssl.create_default_context()
    secure = context.wrap_socket(connection.sock, server_hostname=host, do_handshake_on_connect=False)
    connection.sock = secure
    secure.do_handshake()


def _end(connection: http.client.HTTPConnection) -> None:
    """A server that answers a byte at a time is cut off."""
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return  # it is closed already


def _connected(host: str, port: int) -> socket.socket:
    """A connection to an address of the host that was checked: asking for it again could give another one."""
    wrong: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not reachable(host, address[0]):
            wrong = OSError(f"{host} points to {address[0]}, where no webhook is sent")
            continue
        found = socket.socket(family, kind, protocol)
        found.settimeout(SECONDS)
        try:
            found.connect(address)
        except OSError as failure:
            found.close()
            wrong = failure
        else:
            return found
    raise wrong


def reachable(host: str, address: str | int) -> bool:
    """A name must not lead to this machine or a link's own addresses, unless it is exactly that which is allowed."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = ipaddress.ip_address(str(address).partition("%")[0])
    else:
        return True
    found = getattr(found, "ipv4_mapped", None) or found
    hidden = found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast
    return host == "localhost" or not hidden
