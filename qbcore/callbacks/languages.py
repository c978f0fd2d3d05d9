"""Which languages of callbacks this site carries out, and why it does not the others."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from qbcore.callbackspec import LANGUAGES, MAIL, MAIL_STATUS, PYTHON, QUBE, WEBHOOK, Spec, codes
from qbcore.errors import Invalid

NO_MAIL = "this farm sends no mail: its administrator sets FARM_MAIL_URL"


def refusal(found: Spec) -> str:
    """Why a callback is kept but never carried out; empty when it is."""
    if found.language not in LANGUAGES:
        return f"the language {found.language[:16]!r} is not run here: use one of {', '.join(LANGUAGES)}"
    return {QUBE: _qube, MAIL: _mail, WEBHOOK: _webhook, PYTHON: _python}[found.language](found)


def _qube(found: Spec) -> str:
    """A callback that does more than to send a mail does the rest without one, and history says so."""
    try:
        wanted = {code.act for code in codes(found.code)}
    except Invalid as wrong:
        return str(wrong)
    return NO_MAIL if wanted == {MAIL_STATUS} and not settings.FARM_MAIL else ""


def _mail(found: Spec) -> str:
    return "" if settings.FARM_MAIL else NO_MAIL


def _webhook(found: Spec) -> str:
    return unreachable(str(found.data.get("url") or found.code).strip())


def _python(found: Spec) -> str:
    if settings.FARM_PYTHON_CALLBACKS:
        return "" if found.code.strip() else "there is no code to run"
    return "this farm runs no Python of callbacks: its administrator sets FARM_PYTHON_CALLBACKS=1"


def unreachable(url: str) -> str:
    """Why no webhook is sent to a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{url[:200]!r} is no URL"
    if parts.scheme not in ("http", "https") or not host:
        return f"{url[:200]!r} is no URL of a web server: write https://host/path in 'url'"
    if parts.username or parts.password:
        return "a webhook's URL must not carry a password"
    if not settings.FARM_WEBHOOK_SECRET:
        return "webhooks are signed, and this farm has no secret for it: its administrator sets FARM_WEBHOOK_SECRET"
    allowed = {one.strip().lower() for one in settings.FARM_WEBHOOK_HOSTS}
    if {host, f"{host}:{port or (443 if parts.scheme == 'https' else 80)}"} & allowed:
        return ""
    return f"webhooks to {host} are not allowed here: its administrator lists hosts in FARM_WEBHOOK_HOSTS"
