"""Whose sessions are alive: asked for many at once, in two statements and one for the role of each user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from qbcore.acting import Actor
from qbcore.permissions import actor_for_user, may


def still_in(keys: Iterable[str]) -> dict[str, Actor]:
    """Of these session keys, those that are signed in and may look, and who each is."""
    sessions = Session.objects.filter(session_key__in=list(keys), expire_date__gt=timezone.now())
    told = {session.session_key: session.get_decoded() for session in sessions}
    ids = {data[SESSION_KEY] for data in told.values() if SESSION_KEY in data}
    users = {str(user.pk): user for user in get_user_model().objects.filter(pk__in=ids, is_active=True)}
    actors = {number: actor_for_user(user) for number, user in users.items()}
    found = {}
    for key, data in told.items():
        number = data.get(SESSION_KEY, "")
        if number in users and _genuine(users[number], data) and may(actors[number], "see"):
            found[key] = actors[number]
    return found


def _genuine(user: Any, data: dict[str, Any]) -> bool:
    """A changed password ends sessions."""
    return constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
