"""Both streams of a log as the log pane gets them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from qbcore import logs
from qbcore.models import AttemptRow, GrantRow
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def written() -> AttemptRow:
    host = make_host()
    attempt = make_attempt(make_job(), 0, host=host, ending="failed", reported=True, out_to=14, err_to=12)
    marks = b"0 0 0\n210 6 0\n65000 6 10\n"
    for stream, data in (("out", b"first\nlast\nend"), ("err", b"Error: no\n!\n"), ("marks", marks)):
        logs.append(host.id, attempt.grant_id, stream, 0, data)
    return attempt


def both(client: Client, row: AttemptRow, **query: Any) -> dict[str, Any]:
    answer = client.get(reverse("job-log", args=[row.job_id]), {"stream": "both", **query})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_lines_come_in_their_order_with_stream_and_time(bob: Client, written: AttemptRow) -> None:
    shown = [["", "first", "out", 0.21], ["e", "Error: no", "err", 65.0]]
    assert both(bob, written, attempt=written.id) == {"from": 0, "to": 16, "size": 16, "lines": shown, "more": True}
    assert both(bob, written, attempt=written.id, offset=6)["lines"] == shown[1:]
    assert both(bob, written, attempt=written.id, offset=-10)["lines"] == shown[1:]


def test_the_rest_comes_when_its_mark_does(bob: Client, written: AttemptRow) -> None:
    logs.append(written.host_id, written.grant_id, "marks", 25, b"66000 14 12\n")
    told = both(bob, written, attempt=written.id, offset=16)
    assert (told["from"], told["to"], told["size"], told["more"]) == (16, 26, 26, False)
    assert told["lines"] == [["", "last", "out", 66.0], ["", "!", "err", 66.0], ["", "end", "out", 66.0]]


def test_a_subjob_and_removed_logs_are_told_too(bob: Client, written: AttemptRow) -> None:
    assert both(bob, written, subjob=0)["lines"][0] == ["", "first", "out", 0.21]
    GrantRow.objects.filter(pk=written.grant_id).update(logs=logs.GONE)
    for where in ({"subjob": 0}, {"attempt": written.id}):
        told = both(bob, written, **where)
        assert told["lines"][0][1].startswith(f"[The logs of job {written.job_id} were removed ")
        assert told["size"] == told["to"] and not told["more"]


@pytest.mark.parametrize("query", [{"offset": "x"}, {"subjob": "0.1"}, {"attempt": "1e3"}])
def test_malformed_questions_are_refused(bob: Client, written: AttemptRow, query: dict[str, str]) -> None:
    answer = bob.get(reverse("job-log", args=[written.job_id]), {"stream": "both", **query})
    assert answer.status_code == 400


def test_an_attempt_of_another_job_is_not_found(bob: Client, written: AttemptRow) -> None:
    answer = bob.get(reverse("job-log", args=[make_job().id]), {"stream": "both", "attempt": written.id})
    assert answer.status_code == 404
