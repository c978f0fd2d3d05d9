"""schemathesis asks every operation of the served document: no answer is a breakdown, and none is undocumented.

FARM_EXAMPLES says how many calls per operation; `make soak` gives many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from schemathesis.generation import GenerationMode

from farm import openapi
from qbcore import permissions
from qbcore.qb import EXPOSED
from tests.make import make_host, make_job, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(0)]
EXAMPLES = int(os.environ.get("FARM_EXAMPLES", "12"))
document = schemathesis.openapi.from_dict(openapi.described())
document.app = WSGIHandler()
CHECKS = [
    checks.CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    )
]


LIMITS = settings(
    max_examples=EXAMPLES, derandomize=EXAMPLES < 100, database=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests end without closing the connection that holds the test's transaction, as with Django's test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def token(db: None) -> str:
    """An admin's, who may do everything, on a farm with some jobs and a host."""
    for _ in range(3):
        make_job(user="mira")
    make_host("worker01")
    return permissions.new_token(make_user("mira", "admin"), label="fuzz")


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", sorted(EXPOSED.keys() - {"ping"}))
def test_an_operation_answers_as_the_document_says(name: str, mode: GenerationMode, token: str) -> None:
    @hypothesis.given(document[f"/api/v1/{name}"]["POST"].as_strategy(generation_mode=mode))
    @LIMITS
    def ask(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    ask()
