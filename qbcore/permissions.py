"""Who may do what: one table of roles, asked inside the doors, and the tokens that say who somebody is.

An artist acts on their own jobs, an operator on everybody's and on hosts, an admin on users and settings too. A viewer
looks. A token of a running attempt reads its own job and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from qbcore.acting import Actor
from qbcore.errors import Refused, Unauthorized
from qbcore.models import AttemptRow, JobRow, JoinTokenRow, RoleRow, TokenRow, WorkRow
from qbcore.writing import writing

TAIL = 4
"""Characters of a token by which its user knows it again."""
USED_EVERY = timedelta(minutes=1)
ROLES = ("viewer", "artist", "operator", "admin")
OWN, ANY = "own", "any"
JOB_VERBS = frozenset(
    [
        "kill",
        "retry",
        "requeue",
        "block",
        "unblock",
        "suspend",
        "resume",
        "killwork",
        "retrywork",
        "requeuework",
        "blockwork",
        "unblockwork",
        "preempt",
        "interrupt",
        "migrate",
        "retire",
        "retirework",
        "top",
        "bottom",
        "shove",
        "modify",
        "remove",
        "archive",
    ]
)
GRANTS: dict[str, dict[str, str]] = {
    "viewer": {"see": ANY},
    "artist": {"see": ANY, "submit": ANY} | dict.fromkeys(JOB_VERBS, OWN),
    "operator": {"see": ANY, "submit": ANY, "submit_as": ANY, "host": ANY} | dict.fromkeys(JOB_VERBS, ANY),
    "attempt": {"see": OWN},
}
SCOPES: dict[str, frozenset[str]] = {
    "read": frozenset({"see"}),
    "jobs": frozenset({"see", "submit", "submit_as"}) | JOB_VERBS,
    "hosts": frozenset({"see", "host", "resources"}),
}
"""What a token may be narrowed to. Who acts must see what came of it, so every scope reads; the rest is nobody's."""
ADMINS = frozenset({"resources"})
"""Rights that only admins have."""
SUBMITTERS = "artists, operators and admins"
HOLDERS = {OWN: "its owner, operators and admins", ANY: "operators and admins"}


def may(actor: Actor, verb: str, *, owner: str | None = None, job: int | None = None) -> bool:
    """Whether *actor* may do *verb* to a job of *owner* (or, for an attempt, to *job*)."""
    if not _in_scope(actor, verb):
        return False
    if actor.role in ("admin", "farm"):
        return True
    reach = GRANTS.get(actor.role, {}).get(verb)
    if reach != OWN:
        return reach == ANY
    return actor.job == job if actor.role == "attempt" else owner == actor.name


def _in_scope(actor: Actor, verb: str) -> bool:
    return not actor.scopes or any(verb in SCOPES.get(scope, ()) for scope in actor.scopes)


def need(actor: Actor, verb: str, *, owner: str | None = None, job: int | None = None) -> None:
    """Raises Refused, naming the right that is missing and who has it."""
    if may(actor, verb, owner=owner, job=job):
        return
    if not _in_scope(actor, verb):
        raise Refused(_beyond_scope(actor, verb))
    holders = (
        SUBMITTERS
        if verb == "submit"
        else "admins"
        if verb in ADMINS
        else HOLDERS[OWN if verb in JOB_VERBS and owner else ANY]
    )
    whose = f" job of {owner}" if owner and owner != actor.name else ""
    said = _beyond_attempt(actor) if actor.role == "attempt" else f"{actor.name} may not do this as {actor.role}."
    raise Refused(said, right=f"{verb}{whose}", holders=holders)


def _beyond_attempt(actor: Actor) -> str:
    return (
        f"This process holds the token of its own attempt, which reads job {actor.job} and nothing else. To do more "
        "from a job, put a personal token into a file of credentials and name that file as QB_CREDENTIALS in its env."
    )


def _beyond_scope(actor: Actor, verb: str) -> str:
    """The sentence that names the scope which the token lacks."""
    lacks = next((f"the scope {scope}" for scope, rights in SCOPES.items() if verb in rights), "all rights")
    has = " and ".join(sorted(actor.scopes))
    return (
        f"This token of {actor.name} is for {has} only, and {verb} needs one with {lacks}: make it on the page Tokens."
    )


def visible_jobs(actor: Actor) -> Q:
    """Which jobs *actor* may see, as a filter for JobRow."""
    if actor.role == "attempt":
        return Q(pk=actor.job)
    return Q() if may(actor, "see") else Q(pk__in=[])


def role_of(user: Any) -> str:
    """The role of a signed-in user; a superuser is an admin, anybody without a row an artist."""
    if user.is_superuser:
        return "admin"
    row = RoleRow.objects.filter(user_id=user.pk).first()
    return row.role if row and row.role in ROLES else "artist"


def actor_for_user(user: Any) -> Actor:
    return Actor(user.get_username(), role_of(user))


def digest(token: str) -> str:
    """What is stored of a token: its SHA-256. Tokens are long random text, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token(
    user: Any, *, label: str, purpose: str = "api", days: float | None = None, scopes: Collection[str] = ()
) -> str:
    """A personal token (or a sign-in link's), shown once; only its digest is kept. No scopes: all that its user may."""
    token = "qbu_" + secrets.token_urlsafe(32)
    TokenRow.objects.create(
        token=digest(token),
        user=user,
        label=label,
        purpose=purpose,
        scopes=",".join(sorted(scopes)),
        tail=token[-TAIL:],
        created=Now(),
        expires=Now() + timedelta(days=days) if days is not None else None,
    )
    return token


def end_token(token: str) -> None:
    """A token that was made for one errand works no more."""
    TokenRow.objects.filter(token=digest(token)).delete()


def actor_for_token(token: str) -> Actor | None:
    """Whose token it is; None for an unknown, expired or ended one."""
    if token.startswith("qba_"):
        return _actor_for_attempt(token)
    row = _alive(token, purpose="api").select_related("user").annotate(long_ago=_long_ago()).first()
    if row is None or not row.user.is_active:
        return None
    if row.long_ago:
        _use(row.pk)
    scopes = frozenset(scope for scope in row.scopes.split(",") if scope)
    return replace(actor_for_user(row.user), scopes=scopes)


def _long_ago() -> ExpressionWrapper[Any]:
    """Whether a token's last use is to be written anew: once a minute, since a write per call would cost the farm."""
    return ExpressionWrapper(Q(used__isnull=True) | Q(used__lt=Now() - USED_EVERY), output_field=BooleanField())


@writing
def _use(digested: str) -> None:
    TokenRow.objects.filter(pk=digested).update(used=Now())


def _alive(token: str, *, purpose: str) -> Any:
    fresh = Q(expires__isnull=True) | Q(expires__gt=Now())
    return TokenRow.objects.filter(fresh, token=digest(token), purpose=purpose)


@writing
def redeem_signin(token: str) -> Any | None:
    """The user of a one-time sign-in link, which is used up by this; None when it is unknown, used or expired."""
    rows = _alive(token, purpose="signin").filter(used__isnull=True)
    row = rows.select_related("user").first()
    if row is None or not rows.update(used=Now()):
        return None
    return row.user if row.user.is_active else None


@lru_cache(maxsize=1)
def _signing() -> hmac.HMAC:
    """To be copied for each token, which costs half of beginning anew."""
    return hmac.new(hashlib.sha256(b"attempt" + settings.SECRET_KEY.encode()).digest(), digestmod="sha256")


def attempt_token(attempt: int, job: int) -> str:
    """The token of one attempt: signed, so that a batch of frames costs no row each; dead when the attempt ends."""
    body = f"{attempt}.{job}"
    mark = _signing().copy()
    mark.update(body.encode())
    return f"qba_{body}.{base64.urlsafe_b64encode(mark.digest()[:24]).decode()}"


def _actor_for_attempt(token: str) -> Actor | None:
    attempt, _, rest = token[4:].partition(".")
    job, _, _ = rest.partition(".")
    if not (attempt.isdecimal() and job.isdecimal() and len(attempt) < 19 and len(job) < 19):
        return None
    if not hmac.compare_digest(attempt_token(int(attempt), int(job)).encode(), token.encode()):
        return None
    user = _user_of_attempt(int(attempt), int(job))
    return Actor(user, "attempt", job=int(job), attempt=int(attempt)) if user else None


def _user_of_attempt(attempt: int, job: int) -> str | None:
    """Whose running attempt it is. One that was reserved ahead may run before its worker has said so."""
    row = AttemptRow.objects.filter(pk=attempt).values("job_id", "user", "ended").first()
    if row:
        return str(row["user"]) if row["job_id"] == job and not row["ended"] else None
    reserved = WorkRow.objects.filter(job_id=job, attempt_id=attempt, grant_id__isnull=False).exists()
    return JobRow.objects.filter(pk=job).values_list("user", flat=True).first() if reserved else None


def new_join_token(*, hours: float = 24, host: str = "") -> str:
    """A token with which one host joins, once."""
    token = "qbj_" + secrets.token_urlsafe(32)
    JoinTokenRow.objects.create(
        token=digest(token), created=Now(), expires=Now() + timedelta(hours=hours), host_name=host
    )
    return token


@writing
def redeem_join(token: str, *, name: str) -> None:
    """Uses the join token up for the host *name*, or raises Unauthorized."""
    rows = JoinTokenRow.objects.filter(token=digest(token), used__isnull=True, expires__gt=Now())
    if not rows.filter(host_name__in=["", name]).update(used=Now(), host_name=name):
        raise Unauthorized("this join token is unknown, used or expired: make a new one with manage.py jointoken")


def ensure_user(name: str, *, role: str, password: str | None = None) -> Any:
    """The user of that name, made when missing; an admin is a superuser."""
    users = get_user_model().objects
    user, made = users.get_or_create(
        username=name, defaults={"is_superuser": role == "admin", "is_staff": role == "admin"}
    )
    if made:
        user.set_unusable_password()
    if password and not user.check_password(password):  # a new hash would end every session
        user.set_password(password)
    user.save()
    RoleRow.objects.update_or_create(user=user, defaults={"role": role})
    return user
