"""Signing in and out, and what is open to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from qbcore import permissions
from tests.make import make_user

pytestmark = pytest.mark.django_db
LOGIN = "/login"
PAGES = ["/", "/jobs", "/jobs/1", "/jobs/1/states", "/jobs/1/log", "/workers", "/actions", "/actions/1", "/act/kill"]


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def sign_in(client: Client, name: str, password: str, **more: str) -> object:
    return client.post(LOGIN, {"username": name, "password": password, **more})


@pytest.mark.parametrize("address", PAGES)
def test_every_page_sends_strangers_to_sign_in_and_back(address: str, client: Client) -> None:
    response = client.get(address)
    assert response.status_code == 302
    assert response.url.startswith(f"{LOGIN}?next=")


def test_htmx_is_sent_with_a_header_and_json_gets_a_plain_401(client: Client) -> None:
    part = client.get("/jobs", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/jobs?q=a"})
    assert part.status_code == 401
    assert part["HX-Redirect"] == f"{LOGIN}?next=http%3A%2F%2Ftestserver%2Fjobs%3Fq%3Da"
    assert client.get("/jobs/1/states", headers={"Accept": "application/json"}).status_code == 401


def test_the_right_password_leads_back_to_where_one_came_from(client: Client) -> None:
    make_user("olu", password="correct horse")
    response = sign_in(client, "olu", "correct horse", next="/jobs?q=user%3Ame")
    assert response.url == "/jobs?q=user%3Ame"
    assert client.get("/jobs").status_code == 200
    assert client.get(LOGIN).url == reverse("jobs")


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(address: str, client: Client) -> None:
    make_user("olu", password="correct horse")
    assert sign_in(client, "olu", "correct horse", next=address).url == reverse("jobs")


def test_staying_signed_in_is_a_choice(client: Client) -> None:
    make_user("olu", password="correct horse")
    sign_in(client, "olu", "correct horse")
    assert client.session.get_expire_at_browser_close()
    sign_in(client, "olu", "correct horse", stay="1")
    assert client.session.get_expiry_age() == 12 * 3600


def test_a_wrong_password_says_so_and_keeps_the_name(client: Client) -> None:
    make_user("olu", password="correct horse")
    response = sign_in(client, "olu", "wrong")
    page = response.content.decode()
    assert response.status_code == 401
    assert "User or password is wrong." in page and 'value="olu"' in page and 'wrong"' not in page


def test_too_many_wrong_tries_are_counted_down_and_lock_out(client: Client) -> None:
    make_user("olu", password="correct horse")
    pages = [sign_in(client, "olu", "wrong") for _ in range(8)]
    assert "1 try left." in pages[6].content.decode()
    assert pages[7].status_code == 429
    assert "Too many wrong tries. Sign in again in 15 minutes." in pages[7].content.decode()
    assert sign_in(client, "olu", "correct horse").status_code == 429


def test_a_link_signs_in_once(client: Client) -> None:
    user = make_user("olu")
    address = reverse("signin", args=[permissions.new_token(user, label="start", purpose="signin", days=1)])
    assert client.get(address).url == reverse("jobs")
    assert client.get("/jobs").status_code == 200
    again = Client().get(address)
    assert again.status_code == 404 and "was used or has expired" in again.content.decode()


def test_signing_out_ends_the_session_and_wants_a_post(bob: Client) -> None:
    assert bob.get(reverse("logout")).status_code == 405
    assert bob.post(reverse("logout")).url == reverse("login")
    assert bob.get("/jobs").status_code == 302


def test_the_forms_want_a_token_against_forgery(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    make_user("olu", password="correct horse")
    response = strict.post(LOGIN, {"username": "olu", "password": "correct horse"})
    assert response.status_code == 403
    assert "Reload the page before it and try again." in response.content.decode()
