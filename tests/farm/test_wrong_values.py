"""Whatever stands in a field: the farm takes it or names the field that is wrong. It never breaks."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore import jobspec, permissions
from qbcore.queries.jobs import JOB_COLUMNS
from tests.make import make_host, make_job, make_user

pytestmark = pytest.mark.django_db

JOB = {"prototype": "cmdrange", "package": {"range": "1-3", "cmdline": "true"}}
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " ", "1_0", "1.5", "-1", "nan", "~(", "~a", "*", "%", "a || b", "\x00", "\ud800", "9" * 30]),
)
ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**400]), st.floats(), TEXTS
)
VALUES = st.recursive(
    ATOMS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)), max_leaves=6
)
FIELDS = [
    *jobspec.TEXTS, *jobspec.NUMBERS, *jobspec.PRODUCTION, *jobspec.FLIGHTS, "package", "env", "agenda",
    "callbacks", "status", "flags", "flagsstring", "user", "anything", "id",
]  # fmt: skip
EXAMPLES = int(os.environ.get("FARM_EXAMPLES", "5"))
LIMITS = settings(
    max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None, derandomize=EXAMPLES < 100
)


@pytest.fixture
def asked(client: Client) -> Any:
    """asked("submit", {...}) is the status and the answer."""
    make_job(user="mira")
    make_host()
    token = permissions.new_token(make_user("mira", "admin"), label="fuzz")

    def ask(name: str, *args: Any, **kwargs: Any) -> tuple[int, Any]:
        body = json.dumps({"args": args, "kwargs": kwargs})
        answer = client.post(
            f"/api/v1/{name}", body, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
        )
        return answer.status_code, json.loads(answer.content)

    return ask


@pytest.mark.parametrize("field", FIELDS)
def test_a_job_is_taken_or_its_wrong_field_is_named(asked: Any, field: str) -> None:
    @given(VALUES)
    @LIMITS
    def submit(value: Any) -> None:
        status, answer = asked("submit", {**JOB, field: value})
        assert status in (200, 400), answer
        if status == 400:
            named = answer["error"]["field"]
            assert named.removeprefix("args[0].").startswith(
                (field, "flags", "package", "prototype", "body", "agenda")
            ), answer

    submit()


@pytest.mark.parametrize("key", [*JOB_COLUMNS, *jobspec.PRODUCTION, "status"])
def test_a_filter_is_taken_or_named(asked: Any, key: str) -> None:
    @given(VALUES)
    @LIMITS
    def read(value: Any) -> None:
        status, answer = asked("jobinfo", filters={key: value})
        assert status in (200, 400), answer
        assert status == 200 or key in answer["error"]["field"], answer

    read()


@pytest.mark.parametrize("key", ["name", "state", "cluster", "properties", "flags", "groups"])
def test_a_filter_of_hosts_is_taken_or_named(asked: Any, key: str) -> None:
    @given(VALUES)
    @LIMITS
    def read(value: Any) -> None:
        status, answer = asked("hostinfo", filters={key: value})
        assert status in (200, 400), answer
        assert status == 200 or key in answer["error"]["field"], answer

    read()


@pytest.mark.parametrize("argument", ["fields", "id", "status", "agenda", "updatedAfter", "minid", "limit", "orderby"])
def test_an_argument_is_taken_or_named(asked: Any, argument: str) -> None:
    @given(VALUES)
    @LIMITS
    def read(value: Any) -> None:
        status, answer = asked("jobinfo", **{argument: value})
        assert status in (200, 400), answer
        assert status == 200 or argument.removesuffix("After") in answer["error"]["field"], answer

    read()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("status", "paused"),
        ("status", 5),
        ("status", True),
        ("cpus", 1.5),
        ("priority", True),
        ("priority", "1_000"),
        ("retrywork", -1),
        ("retrywork_delay", -5),
        ("retrysubjob", -1),
        ("pgrp", -1),
        ("timelimit", -2),
        ("name", {"a": 1}),
        ("hosts", ["a", {"b": 1}]),
        ("prototype", ["cmdline"]),
        ("notes", "a\x00b"),
        ("env", {"A": ["b"]}),
        ("package", {"range": "1", "cmdline": "true", "deep": [{"number": float("nan")}]}),
        ("agenda", [{"name": "1"}, {"name": "2", "status": "sleeping"}]),
        ("agenda", [{"name": True}]),
    ],
)
def test_what_was_guessed_at_is_refused(asked: Any, field: str, value: Any) -> None:
    status, answer = asked("submit", {**JOB, field: value})
    assert status == 400, answer
    assert field in answer["error"]["field"], answer


def test_the_place_of_what_cannot_be_stored_is_named(asked: Any) -> None:
    deep = {**JOB, "package": {**JOB["package"], "lights": [{"power": 1.0}, {"power": float("inf")}]}}
    assert asked("submit", deep)[1]["error"]["field"] == "args[0].package.lights[1].power"
    assert asked("submit", {**JOB, "agenda": ["1", "2\x00"]})[1]["error"]["field"] == "args[0].agenda[1]"


@pytest.mark.parametrize("status", ["complete", "failed", "running", 16, "320", "", None])
def test_a_job_out_of_jobinfo_is_submitted_anew_whatever_it_was(asked: Any, status: Any) -> None:
    _, answer = asked("submit", {**JOB, "status": status, "agenda": [{"name": "1", "status": status}]})
    assert answer["result"][0]["status"] == "pending"
    held = asked("submit", {**JOB, "status": "blocked"})[1]["result"][0]
    assert held["status"] == asked("submit", {**JOB, "status": "272"})[1]["result"][0]["status"] == "blocked"
