"""Personal tokens as their users see them: made with scopes and an end, listed, revoked. A token is shown once.

Everybody has their own; an admin sees and revokes everybody's. A token ends with its user's account and with a change
of their password, since whoever changes it fears that somebody else knew it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.db.models.signals import pre_save

from qbcore import acting, history, permissions
from qbcore.errors import Invalid, NotFound, Refused
from qbcore.models import TokenRow
from qbcore.permissions import SCOPES, may, need
from qbcore.writing import clock, writing

DAYS = (7, 30, 90, 365)
MOST = 100
"""Tokens that one user may have at a time."""
LONGEST_LABEL = 100
SHOWN = 500


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A token without its secret: *id* names it in addresses, *tail* is how it ends."""

    id: str
    user: str
    label: str
    tail: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None
    used: datetime | None
    expired: bool


def listed(user: str = "") -> list[TokenLine]:
    """The tokens of the asker, or of *user* (`*`: of everybody), the last made first. Raises Refused."""
    rows = _of(user or acting.current().name).select_related("user").order_by("-created")
    now = clock()
    return [_line(row, now) for row in rows[:SHOWN]]


def sees_all() -> bool:
    """Whether the asker may see and revoke the tokens of others."""
    return may(acting.current(), "tokens")


def one(token_id: str) -> TokenLine:
    """A token of the asker's, or for an admin of anybody's. Raises NotFound."""
    return _line(_found(token_id), clock())


@writing
def make(label: str, scopes: Collection[str], days: int | None) -> str:
    """A new token of the asker's, in full: it is told this once. Raises Invalid."""
    label = _checked_label(label)
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown:
        raise Invalid(f"{unknown[0]!r} is no scope", field="scopes", hint=f"Give some of {', '.join(SCOPES)}.")
    if days is not None and days not in DAYS:
        raise Invalid(f"a token lives {', '.join(map(str, DAYS))} days or for ever", field="days")
    actor = acting.current()
    need(actor, "see")
    user = get_user_model().objects.filter(username=actor.name, is_active=True).first()
    if user is None:
        raise NotFound(f"there is no user {actor.name}")
    if _of(actor.name).count() >= MOST:
        raise Invalid(f"you have {MOST} tokens already: revoke one that is not used any more", field="label")
    token = permissions.new_token(user, label=label, days=days, scopes=scopes)
    _record("token made", _line(TokenRow.objects.get(pk=permissions.digest(token)), clock()))
    return token


@writing
def revoke(token_id: str) -> TokenLine:
    """Ends a token of the asker's, or for an admin anybody's; what it was. Raises NotFound."""
    row = _found(token_id)
    gone = _line(row, clock())
    if row.delete()[0]:
        _record("token revoked", gone)
    return gone


def watch_users() -> None:
    """Has tokens end with an account that is closed and with a password that is changed."""
    pre_save.connect(_end_tokens, sender=get_user_model(), dispatch_uid="tokens")


def _end_tokens(sender: type[Any], instance: Any, **options: Any) -> None:
    # Django keeps a changed password here until it is saved; one that is only hashed anew does not stand here.
    changed = getattr(instance, "_password", None) is not None
    if instance.pk and (changed or not instance.is_active):
        TokenRow.objects.filter(user_id=instance.pk).delete()


def _of(user: str) -> QuerySet[TokenRow]:
    rows = TokenRow.objects.filter(purpose="api")
    if user != acting.current().name and not sees_all():
        raise Refused("These are the tokens of others.", right="see and revoke everybody's tokens", holders="admins")
    return rows if user == "*" else rows.filter(user__username=user)


def _found(token_id: str) -> TokenRow:
    """By the beginning of its digest, which is no secret. Those of others are not there for who may not see them."""
    rows = _of("*" if sees_all() else acting.current().name)
    row = rows.select_related("user").filter(token__startswith=token_id).first() if len(token_id) == 16 else None
    if row is None:
        raise NotFound("There is no such token: it was revoked, or it is somebody else's.")
    return row


def _line(row: TokenRow, now: datetime) -> TokenLine:
    return TokenLine(
        id=row.token[:16],
        user=row.user.get_username(),
        label=row.label,
        tail=row.tail,
        scopes=tuple(scope for scope in row.scopes.split(",") if scope),
        created=row.created,
        expires=row.expires,
        used=row.used,
        expired=row.expires is not None and row.expires <= now,
    )


def _record(verb: str, line: TokenLine) -> None:
    whose = "" if line.user == acting.current().name else f" of {line.user}"
    scopes = ", ".join(line.scopes) or "all rights"
    history.record(verb, now=clock(), effect=f"'{line.label}' (…{line.tail}, {scopes}){whose}")


def _checked_label(label: str) -> str:
    found = " ".join(label.split())
    if not 1 <= len(found) <= LONGEST_LABEL or not found.isprintable():
        raise Invalid(
            f"a label of 1 to {LONGEST_LABEL} characters tells your tokens apart", field="label", hint="Name its use."
        )
    return found
