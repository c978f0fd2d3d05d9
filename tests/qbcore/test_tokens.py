"""Personal tokens: what their scopes narrow, how they are listed and revoked, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from qbcore import acting, permissions, submission, tokens, verbs
from qbcore.acting import Actor
from qbcore.errors import Invalid, NotFound, Refused
from qbcore.models import HistoryRow, TokenRow
from qbcore.permissions import ADMINS, GRANTS, SCOPES, actor_for_token, may, new_token
from qbcore.queries import hostinfo, isadmin, jobinfo
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db
JOB = {"prototype": "cmdline", "package": {"cmdline": "true"}}


@pytest.fixture(autouse=True)
def bob() -> Iterator[Any]:
    """Whoever asks in these tests, an artist."""
    user = make_user("bob")
    with acting.acting_as(Actor("bob", "artist")):
        yield user


def actor_of(*scopes: str, user: str = "bob") -> Actor:
    owner = permissions.get_user_model().objects.get(username=user)
    found = actor_for_token(new_token(owner, label="test", scopes=scopes))
    assert found is not None
    return found


@pytest.mark.parametrize("role", ["viewer", "artist", "operator", "admin"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_narrows_every_role_and_widens_none(role: str, scope: str) -> None:
    rights = {right for table in GRANTS.values() for right in table} | {"tokens"}
    free, narrow = Actor("bob", role), Actor("bob", role, scopes=frozenset({scope}))
    for right in rights:
        assert may(narrow, right, owner="bob") == (may(free, right, owner="bob") and right in SCOPES[scope])


def test_every_right_of_a_role_belongs_to_a_scope() -> None:
    rights = {right for role, table in GRANTS.items() if role != "attempt" for right in table} | ADMINS
    assert rights <= set().union(*SCOPES.values())


@pytest.mark.parametrize("scope", SCOPES)
def test_an_admin_with_a_narrow_token_is_none(scope: str) -> None:
    with acting.acting_as(Actor("root", "admin", scopes=frozenset({scope}))):
        assert not isadmin()
    with acting.acting_as(Actor("root", "admin")):
        assert isadmin()


def test_a_token_without_scopes_is_its_user_and_two_scopes_add_up() -> None:
    assert actor_of().scopes == frozenset()
    both = actor_of("jobs", "hosts")
    assert may(both, "submit") and may(both, "see") and not may(both, "host")
    make_user("alice", "operator")
    assert may(actor_of("jobs", "hosts", user="alice"), "host")


def test_a_token_that_only_reads_sees_jobs_and_is_told_what_it_lacks() -> None:
    job = make_job(user="bob").pk
    with acting.acting_as(actor_of("read")):
        assert [one["id"] for one in jobinfo()] == [job]
        assert hostinfo() == []
        for act in (lambda: verbs.kill(job), lambda: submission.submit(JOB)):
            with pytest.raises(Refused, match=r"is for read only, and \w+ needs one with the scope jobs"):
                act()
    with acting.acting_as(actor_of("jobs")):
        assert verbs.kill(job) == [f"{job}.0"]


def test_the_last_use_is_written_once_a_minute(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    token = new_token(permissions.get_user_model().objects.get(username="bob"), label="x")
    actor_for_token(token)
    first = TokenRow.objects.get().used
    assert first is not None
    with django_assert_num_queries(2):  # the token with its user, and the user's role
        actor_for_token(token)
    assert TokenRow.objects.get().used == first
    TokenRow.objects.update(used=Now() - timedelta(seconds=61))
    actor_for_token(token)
    assert TokenRow.objects.get().used > first - timedelta(seconds=1)


def test_a_token_is_made_listed_and_revoked_and_history_says_so() -> None:
    token = tokens.make("  nightly\tsubmitter ", ["jobs"], 30)
    (line,) = tokens.listed()
    assert (line.user, line.label, line.tail, line.scopes) == ("bob", "nightly submitter", token[-4:], ("jobs",))
    assert line.expires is not None and timedelta(29) < line.expires - line.created < timedelta(31)
    assert not line.expired and line.used is None
    assert actor_for_token(token) == Actor("bob", "artist", scopes=frozenset({"jobs"}))
    tokens.revoke(line.id)
    assert tokens.listed() == [] and actor_for_token(token) is None
    told = [(row.actor, row.verb, row.effect) for row in HistoryRow.objects.order_by("pk")]
    what = f"'nightly submitter' (…{token[-4:]}, jobs)"
    assert told == [("bob", "token made", what), ("bob", "token revoked", what)]
    with pytest.raises(NotFound):
        tokens.revoke(line.id)


@pytest.mark.parametrize(
    ("label", "scopes", "days", "field"),
    [
        ("", [], 7, "label"),
        (" ", [], 7, "label"),
        ("x" * 101, [], 7, "label"),
        ("a\0b", [], 7, "label"),
        ("x", ["admin"], 7, "scopes"),
        ("x", ["jobs"], 8, "days"),
    ],
)
def test_what_no_token_can_be_is_refused(label: str, scopes: list[str], days: int, field: str) -> None:
    with pytest.raises(Invalid) as invalid:
        tokens.make(label, scopes, days)
    assert invalid.value.field == field
    assert not TokenRow.objects.exists()


def test_a_user_has_so_many_tokens_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST", 2)
    for label in ("one", "two"):
        tokens.make(label, [], None)
    with pytest.raises(Invalid, match="revoke one"):
        tokens.make("three", [], None)


def test_the_tokens_of_others_are_there_for_an_admin_only() -> None:
    tokens.make("mine", [], None)
    (line,) = tokens.listed()
    make_user("mira")
    for role in ("artist", "operator"):
        with acting.acting_as(Actor("mira", role)):
            assert tokens.listed() == [] and not tokens.sees_all()
            with pytest.raises(NotFound):
                tokens.revoke(line.id)
            for whose in ("bob", "*"):
                with pytest.raises(Refused) as refused:
                    tokens.listed(whose)
                assert refused.value.holders == "admins"
    with acting.acting_as(Actor("root", "admin")):
        assert tokens.listed() == []
        assert tokens.listed("bob") == tokens.listed("*") == [line]
        tokens.revoke(line.id)
    assert "of bob" in HistoryRow.objects.latest("pk").effect


@pytest.mark.parametrize("what", ["closed", "password", "deleted"])
def test_a_token_ends_with_its_account_and_with_its_password(what: str, bob: Any, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    token = tokens.make("x", [], None)
    bob.email = "bob@example.org"
    bob.save()
    assert actor_for_token(token)
    if what == "closed":
        bob.is_active = False
    elif what == "password":
        bob.set_password("another one")
    bob.delete() if what == "deleted" else bob.save()
    assert not TokenRow.objects.exists()
    if what == "closed":
        bob.is_active = True
        bob.save()
    assert actor_for_token(token) is None


def test_a_password_that_is_only_hashed_anew_ends_no_token(bob: Any, settings: Any) -> None:
    weak, strong = (f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("MD5", "PBKDF2SHA1"))
    settings.PASSWORD_HASHERS = [weak]
    bob.set_password("correct horse")
    bob.save()
    token = tokens.make("x", [], None)
    settings.PASSWORD_HASHERS = [strong, weak]
    before = bob.password
    assert bob.check_password("correct horse")
    bob.refresh_from_db()
    assert bob.password != before and actor_for_token(token)
