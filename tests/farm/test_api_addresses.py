"""Whatever is asked below /api/, however: JSON with a sentence, and never a page or a question for a CSRF token."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from qbcore import permissions
from tests.make import make_user

pytestmark = pytest.mark.django_db

ADDRESSES = [
    ("POST", "/api/v2/jobinfo", 404, "serves no version 'v2'"),
    ("POST", "/api", 404, "/api/v1/<function>"),
    ("POST", "/api/", 404, "/api/v1/<function>"),
    ("POST", "/api/v1", 404, "/api/v1/<function>"),
    ("POST", "/api/v1/", 404, "/api/v1/<function>"),
    ("GET", "/api/v1", 404, "/api/v1/<function>"),
    ("POST", "/api/v1/jobinfo/", 404, "/api/v1/<function>"),
    ("POST", "/api/v1/jobinf", 404, "did you mean jobinfo?"),
    ("DELETE", "/api/v1/jobinfo", 405, "jobinfo is asked with POST, not DELETE"),
    ("POST", "/api/v1/openapi.json", 405, "is asked with GET or HEAD, not POST"),
    ("POST", "/api/v1/docs", 405, "is asked with GET or HEAD, not POST"),
]


@pytest.mark.parametrize("with_token", [True, False], ids=["with a token", "without"])
@pytest.mark.parametrize(("method", "address", "status", "said"), ADDRESSES)
def test_every_address_of_the_api_answers_json(
    method: str, address: str, status: int, said: str, *, with_token: bool
) -> None:
    token = permissions.new_token(make_user("bob", "artist"), label="test")
    headers = {"Authorization": f"Bearer {token}"} if with_token else {}
    answer = Client(enforce_csrf_checks=True).generic(method, address, b"{}", "application/json", headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    assert said in json.loads(answer.content)["error"]["message"]
    assert answer.has_header("Allow") == (status == 405)
