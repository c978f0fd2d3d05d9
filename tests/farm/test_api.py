"""The HTTP edge: who may call, what is refused before a door is asked, and how results and errors look."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.test import RequestFactory

from farm import api
from qbcore import acting, permissions
from qbcore.errors import Conflict, Unreachable
from qbcore.objects import Job

pytestmark = pytest.mark.django_db

Door = Callable[..., Any]


def ask(name: str, *args: Any, token: str | None = None, key: str = "", **kwargs: Any) -> HttpResponse:
    return send(name, json.dumps({"args": args, "kwargs": kwargs}).encode(), token=token, key=key)


def send(name: str, body: bytes, *, token: str | None = None, key: str = "") -> HttpResponse:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if key:
        headers["Idempotency-Key"] = key
    request = RequestFactory().post(f"/api/v1/{name}", body, content_type="application/json", headers=headers)
    return api.call(request, name)


def told(response: HttpResponse) -> Any:
    return json.loads(response.content)


@pytest.fixture
def token() -> str:
    return permissions.new_token(permissions.ensure_user("bob", role="artist"), label="test")


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> dict[str, Door]:
    """Doors of the test's own instead of the farm's."""
    own: dict[str, Door] = {}
    monkeypatch.setattr(api, "EXPOSED", own)
    return own


def test_a_call_with_a_token_is_answered_with_the_door_s_result(doors: dict[str, Door], token: str) -> None:
    doors["kill"] = lambda jobid, *extraJobids: [f"{jobid}.0", *extraJobids]
    response = ask("kill", 250, "251.0", token=token)
    assert (response.status_code, told(response)) == (200, {"result": ["250.0", "251.0"]})
    assert (response["Content-Type"], response["Cache-Control"]) == ("application/json", "no-store")


def test_a_door_is_asked_as_whoever_the_token_belongs_to(doors: dict[str, Door], token: str) -> None:
    doors["info"] = lambda: [acting.current().name, acting.current().role]
    assert told(ask("info", token=token)) == {"result": ["bob", "artist"]}
    assert acting.current() is acting.FARM


def test_objects_times_and_large_numbers_come_out_exactly(doors: dict[str, Door], token: str) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    doors["jobinfo"] = lambda **filters: [Job(id=2**60 + 1, timesubmit=moment, asked=filters["id"])]
    answer = told(ask("jobinfo", id=2**63 - 1, token=token))
    assert answer == {"result": [{"id": 2**60 + 1, "timesubmit": 1767323045, "asked": 2**63 - 1}]}


FORGED = ["", "Bearer", "Bearer ", "Basic Ym9iOmJvYg==", "Bearer qbu_forged", "Bearer qba_1.2.x"]


@pytest.mark.parametrize("header", FORGED)
def test_without_a_valid_token_nothing_is_asked(doors: dict[str, Door], header: str) -> None:
    doors["info"] = lambda: pytest.fail("the door was asked")
    request = RequestFactory().post("/api/v1/info", b"{}", content_type="application/json")
    request.META["HTTP_AUTHORIZATION"] = header
    response = api.call(request, "info")
    assert (response.status_code, told(response)["error"]["code"]) == (401, "unauthorized")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_session_is_no_token(doors: dict[str, Door]) -> None:
    doors["info"] = lambda: pytest.fail("the door was asked")
    request = RequestFactory().post("/api/v1/info", b"{}", content_type="application/json")
    request.user = permissions.ensure_user("alice", role="admin")
    assert api.call(request, "info").status_code == 401


def test_the_token_of_a_user_who_was_locked_out_is_dead(doors: dict[str, Door], token: str) -> None:
    doors["info"] = list
    user = permissions.get_user_model().objects.get(username="bob")
    user.is_active = False
    user.save()
    assert ask("info", token=token).status_code == 401


def test_no_csrf_token_is_asked_for_because_no_session_counts() -> None:
    request = RequestFactory(enforce_csrf_checks=True).post("/api/v1/info")
    assert CsrfViewMiddleware(api.call).process_view(request, api.call, (), {}) is None


def test_an_unknown_function_is_answered_with_the_nearest_name(doors: dict[str, Door], token: str) -> None:
    doors.update(jobinfo=list, hostinfo=list)
    response = ask("jobinof", token=token)
    assert (response.status_code, told(response)["error"]["code"]) == (404, "not_found")
    assert "did you mean jobinfo?" in told(response)["error"]["message"]
    assert "there are hostinfo, jobinfo." in told(ask("xyz", token=token))["error"]["message"]


def test_only_post_asks(doors: dict[str, Door], token: str) -> None:
    doors["info"] = list
    request = RequestFactory().get("/api/v1/info", headers={"Authorization": f"Bearer {token}"})
    response = api.call(request, "info")
    assert (response.status_code, response["Allow"], told(response)["error"]["code"]) == (405, "POST", "wrong_method")


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ([], {}, "'jobid'"),
        ([1], {"state": "up"}, "'state'"),
        ([1], {"jobid": 2}, "'jobid'"),
        ([1], {"_key": "mine"}, "_key"),
        ([1, 2, 3, 4], {}, "too many positional arguments"),
    ],
)
def test_wrong_arguments_are_named(
    doors: dict[str, Door], token: str, args: list[Any], kwargs: dict[str, Any], named: str
) -> None:
    def kill(jobid: Any, second: Any = None, third: Any = None, _key: str = "") -> None:
        pytest.fail("the door was asked")

    doors["kill"] = kill
    response = send("kill", json.dumps({"args": args, "kwargs": kwargs}).encode(), token=token)
    error = told(response)["error"]
    assert (response.status_code, error["code"]) == (400, "invalid")
    assert named in error["message"] + error["field"]
    assert "_key" not in error["hint"]


def test_the_hint_shows_how_a_function_is_called(doors: dict[str, Door], token: str) -> None:
    doors["kill"] = lambda jobid, *extraJobids: None
    assert told(ask("kill", token=token))["error"]["hint"] == "It is called as kill(jobid, *extraJobids)."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 200_000, "too deeply"),
        (b'{"args": [NaN]}', "not JSON"),
        (b"[1]", '"args" and "kwargs"'),
        (b'{"jobid": 1}', '"args" and "kwargs"'),
        (b'{"args": {}}', "no list"),
        (b'{"kwargs": []}', "no object"),
    ],
)
def test_a_malformed_body_is_refused_with_what_is_wrong(
    doors: dict[str, Door], token: str, body: bytes, said: str
) -> None:
    doors["info"] = lambda: pytest.fail("the door was asked")
    response = send("info", body, token=token)
    assert response.status_code == 400
    assert said in told(response)["error"]["message"]


def test_an_empty_body_means_no_arguments(doors: dict[str, Door], token: str) -> None:
    doors["info"] = list
    assert told(send("info", b"", token=token)) == {"result": []}


def test_a_body_beyond_the_limit_is_refused_unread_when_announced_and_at_the_limit_otherwise(
    doors: dict[str, Door], token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors["info"] = lambda: pytest.fail("the door was asked")
    monkeypatch.setattr(api, "MOST_BYTES", 1000)
    announced = send("info", b" " * 1001, token=token)
    request = RequestFactory().post(
        "/api/v1/info", b" " * 5000, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )
    request.META["CONTENT_LENGTH"] = ""
    silent = api.call(request, "info")
    codes = [(one.status_code, told(one)["error"]["code"]) for one in (announced, silent)]
    assert codes == [(413, "too_large")] * 2


def test_a_refusal_keeps_its_status_and_its_details(doors: dict[str, Door], token: str) -> None:
    def refuse() -> None:
        raise Conflict("somebody was faster")

    doors["info"] = refuse
    response = ask("info", token=token)
    assert (response.status_code, told(response)) == (409, {"error": Conflict("somebody was faster").to_wire()})


def test_a_fault_of_the_farm_is_logged_and_tells_the_asker_no_details(
    doors: dict[str, Door], token: str, caplog: pytest.LogCaptureFixture
) -> None:
    doors["info"] = lambda: {}["the farm's own secret"]
    with caplog.at_level(logging.ERROR, logger="farm.api"):
        response = ask("info", token=token)
    assert (response.status_code, told(response)["error"]["code"]) == (500, "internal")
    assert "secret" not in response.content.decode()
    assert "the farm's own secret" in caplog.text


@pytest.mark.parametrize("result", [float("nan"), object(), b"raw"])
def test_a_result_that_is_not_json_is_a_fault_of_the_farm(
    doors: dict[str, Door], token: str, result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    doors["info"] = lambda: result
    with caplog.at_level(logging.ERROR, logger="farm.api"):
        assert ask("info", token=token).status_code == 500
    assert "info failed" in caplog.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_ping_needs_no_token_and_takes_nothing_from_the_asker(doors: dict[str, Door], method: str) -> None:
    asked: list[dict[str, Any]] = []

    def ping(**options: Any) -> dict[str, Any]:
        asked.append(options)
        return {"supervisor": "ours"}

    doors["ping"] = ping
    request = getattr(RequestFactory(), method)("/api/v1/ping?host=10.0.0.1", {"host": "10.0.0.1"})
    assert told(api.call(request, "ping")) == {"result": {"supervisor": "ours"}}
    assert asked == [{"asDict": True}]


def test_only_submit_is_told_the_idempotency_key(doors: dict[str, Door], token: str) -> None:
    doors.update(submit=lambda *jobs, _key="": _key, info=list)
    assert told(ask("submit", {}, token=token, key="abc")) == {"result": "abc"}
    assert told(ask("info", token=token, key="abc")) == {"result": []}
    assert ask("submit", {}, token=token, key="x" * 201).status_code == 400


def test_while_the_database_is_away_the_asker_is_told_to_try_again(doors: dict[str, Door], token: str) -> None:
    def away() -> None:
        raise OperationalError("the database system is shutting down")

    doors["info"] = away
    response = ask("info", token=token)
    sentence = "The farm cannot reach its database now. Try again in a moment."
    assert (response.status_code, told(response)) == (503, {"error": Unreachable(sentence).to_wire()})
