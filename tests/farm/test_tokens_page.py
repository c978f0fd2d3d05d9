"""The Tokens page: a token is made and shown once, listed without it, revoked after a question."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from qbcore.acting import Actor
from qbcore.models import TokenRow
from qbcore.permissions import actor_for_token, new_token

pytestmark = pytest.mark.django_db
PAGE = "/tokens"
FORM = {"label": "nightly", "days": "30", "rights": "all"}


def made(client: Client, **form: object) -> tuple[str, str]:
    """The token that the page shows, and the page."""
    page = client.post(PAGE, {**FORM, **form}).content.decode()
    found = re.search(r'id="made"><span>(qbu_[\w-]+)</span>', page)
    assert found, page
    return found[1], page


def test_a_token_is_shown_once_with_how_it_is_used(bob: Client) -> None:
    token, page = made(bob, rights="some", scopes=["read", "jobs"])
    assert actor_for_token(token) == Actor("bob", "artist", scopes=frozenset({"read", "jobs"}))
    assert "export QB_SUPERVISOR=http://testserver" in page and f"export QB_TOKEN={token}" in page
    again = bob.get(PAGE)
    assert token not in again.content.decode() and f"…{token[-4:]}" in again.content.decode()
    assert "no-store" in again["Cache-Control"]


def test_all_rights_means_no_scopes_whatever_is_ticked_below(bob: Client) -> None:
    token, _ = made(bob, scopes=["read"], days="")
    assert actor_for_token(token) == Actor("bob", "artist")
    assert TokenRow.objects.get().expires is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"label": " "}, "label"),
        ({"days": "8"}, "days"),
        ({"days": "x"}, "days"),
        ({"rights": "some"}, "scopes"),
        ({"rights": "some", "scopes": ["root"]}, "scopes"),
    ],
)
def test_a_wrong_form_comes_back_with_what_is_wrong(bob: Client, wrong: dict[str, object], said: str) -> None:
    response = bob.post(PAGE, {**FORM, **wrong})
    assert response.status_code == 422
    assert re.search(rf'role="alert">.*{said}: ', response.content.decode())
    assert not TokenRow.objects.exists()


def test_revoking_asks_first_and_then_ends_the_token(bob: Client) -> None:
    token, page = made(bob)
    (address,) = re.findall(r'href="(/tokens/[0-9a-f]{16}/revoke)"', page)
    question = bob.get(address).content.decode()
    assert "Revoke “nightly”?" in question and "never used" in question
    assert actor_for_token(token)
    assert bob.post(address).url == PAGE
    assert actor_for_token(token) is None
    assert bob.post(address).status_code == 404


def test_others_tokens_are_shown_to_admins_only(bob: Client, alice: Client) -> None:
    _, page = made(bob, label="evening")
    (address,) = re.findall(r'href="(/tokens/[0-9a-f]{16}/revoke)"', page)
    assert alice.get(PAGE, {"user": "bob"}).status_code == 403
    assert alice.get(address).status_code == alice.post(address).status_code == 404
    users = get_user_model().objects
    root = Client()
    root.force_login(users.create_user("root", is_superuser=True), backend="django.contrib.auth.backends.ModelBackend")
    assert "evening" not in root.get(PAGE).content.decode()
    for whose in ("bob", "*"):
        assert "evening" in root.get(PAGE, {"user": whose}).content.decode()
    assert root.post(address).url == f"{PAGE}?user=bob"
    assert not TokenRow.objects.exists()


def test_a_form_of_another_site_makes_nothing(bob: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = bob.cookies
    assert strict.post(PAGE, FORM).status_code == 403
    assert not TokenRow.objects.exists()


def test_labels_are_text_and_sign_in_links_are_no_tokens(bob: Client) -> None:
    new_token(get_user_model().objects.get(username="bob"), label="link", purpose="signin", days=1)
    _, page = made(bob, label="<b onclick=x>&")
    assert "&lt;b onclick=x&gt;&amp;" in page and "<b onclick" not in page
    assert page.count('data-row="token:') == 1
