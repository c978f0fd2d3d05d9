"""Which supervisor a call reaches, which token it carries, and what comes of every kind of answer."""

from __future__ import annotations

from pathlib import Path

import pytest

import qb
from qbcore.remote import client, write_credentials
from tests.qbcore.remote import supervisor as answers
from tests.qbcore.remote.supervisor import Supervisor

JOB = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def test_a_call_is_a_post_with_arguments_and_the_token(farm: Supervisor) -> None:
    farm.answers.append(answers.result(["250.0"]))
    assert qb.kill(250, "251") == ["250.0"]
    (asked,) = farm.asked
    assert (asked.path, asked.body) == ("/api/v1/kill", {"args": [250, "251"], "kwargs": {}})
    assert asked.headers["Authorization"] == "Bearer qbu_ours"


def test_the_default_section_is_asked_when_nothing_else_is_said(farm: Supervisor) -> None:
    assert qb.getsupervisor() == farm.url
    qb.info()
    assert farm.names() == ["info"]


def test_the_environment_names_the_supervisor_anew_at_each_call(
    farm: Supervisor, stranger: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_credentials(stranger.url, "qbu_theirs", default=False)
    monkeypatch.setenv("QB_SUPERVISOR", f"127.0.0.1:{stranger.port}")
    qb.info()
    monkeypatch.setenv("QB_SUPERVISOR", farm.url)
    qb.version()
    assert (stranger.names(), farm.names()) == (["info"], ["version"])


def test_a_chosen_supervisor_wins_over_the_environment_until_it_is_unchosen(
    farm: Supervisor, stranger: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QB_SUPERVISOR", stranger.url)
    assert qb.setsupervisor(farm.url) is True
    qb.info()
    qb.setsupervisor(None)
    assert (farm.names(), qb.getsupervisor()) == (["info"], stranger.url)


def test_a_token_goes_only_to_the_supervisor_of_its_section(farm: Supervisor, stranger: Supervisor) -> None:
    qb.setsupervisor(stranger.url)
    with pytest.raises(qb.Unauthorized, match=r"there is no token for .*: set QB_TOKEN, or put"):
        qb.jobinfo()
    assert stranger.asked == []
    write_credentials(stranger.url, "qbu_theirs", default=False)
    qb.jobinfo()
    qb.setsupervisor(farm.url)
    qb.jobinfo()
    assert [one.headers["Authorization"] for one in stranger.asked + farm.asked] == [
        "Bearer qbu_theirs",
        "Bearer qbu_ours",
    ]


def test_the_loopback_names_are_one_supervisor(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QB_SUPERVISOR", f"localhost:{farm.port}")
    qb.info()
    assert farm.asked[0].headers["Authorization"] == "Bearer qbu_ours"


def test_the_token_of_the_environment_wins_over_the_file(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QB_TOKEN", "qba_attempt")
    qb.info()
    assert farm.asked[0].headers["Authorization"] == "Bearer qba_attempt"


def test_a_file_that_the_environment_names_wins_but_for_what_an_attempt_asks_as_itself(
    farm: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "mine"
    path.write_text(f"[{farm.url}]\ntoken = qbu_mine\ndefault = yes\n")
    monkeypatch.setenv("QB_TOKEN", "qba_attempt")
    monkeypatch.setenv("QB_CREDENTIALS", str(path))
    qb.jobinfo()
    qb.submit({"prototype": "cmdline"})
    client.call("jobobj", (), {})
    sent = [(row.name, row.headers["Authorization"]) for row in farm.asked]
    assert sent == [("jobinfo", "Bearer qbu_mine"), ("submit", "Bearer qbu_mine"), ("jobobj", "Bearer qba_attempt")]
    assert qb.localconfig()["credentials"] == str(path)


def test_a_named_file_without_a_token_is_said_by_its_path(
    farm: Supervisor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QB_SUPERVISOR", farm.url)
    monkeypatch.setenv("QB_TOKEN", "qba_attempt")
    monkeypatch.setenv("QB_CREDENTIALS", str(tmp_path / "gone"))
    with pytest.raises(qb.Unauthorized, match=str(tmp_path / "gone")):
        qb.jobinfo()
    assert farm.asked == []


def test_a_token_that_is_no_token_is_never_sent(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QB_TOKEN", "two words\r\nX-Evil: 1")
    with pytest.raises(qb.Unauthorized, match="QB_TOKEN holds characters"):
        qb.info()
    assert farm.asked == []


def test_without_any_name_the_sentence_says_how_to_give_one() -> None:
    with pytest.raises(qb.Unreachable, match=r"No supervisor is named. Set QB_SUPERVISOR"):
        qb.info()
    assert qb.getsupervisor() == ""


def test_a_supervisor_that_is_down_is_named_with_the_way_to_name_another(
    farm: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QB_SUPERVISOR", "127.0.0.1:1")
    monkeypatch.setenv("QB_TOKEN", "qbu_any")
    with pytest.raises(qb.Unreachable, match=r"http://127.0.0.1:1 does not answer: Connection refused. Set QB_SUPER"):
        qb.info()


def test_a_redirect_is_refused_and_carries_the_token_nowhere(farm: Supervisor, stranger: Supervisor) -> None:
    for status in (301, 302, 303, 307, 308):
        farm.answers.append(answers.body(status, b"", Location=f"{stranger.url}/api/v1/jobinfo"))
        with pytest.raises(qb.Unreachable, match=r"redirects to .*a token is not sent on"):
            qb.jobinfo()
    assert stranger.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        answers.body(200, b""),
        answers.body(200, b"<html>It works!</html>"),
        answers.body(200, b"{}"),
        answers.body(200, b"[1]"),
        answers.body(200, b'{"result": NaN}'),
        answers.body(200, b"[" * 100_000),
        answers.body(502, b"<html>Bad Gateway</html>"),
        answers.body(500, b'{"error": "it broke"}'),
        answers.body(500, b'{"error": {"code": 5, "message": null}}'),
        answers.raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
        answers.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
    ],
)
def test_an_answer_that_is_no_farm_s_is_said_to_be_none(farm: Supervisor, answer: answers.Answer) -> None:
    farm.answers.append(answer)
    with pytest.raises(qb.Unreachable, match=farm.url):
        qb.jobinfo()
    assert qb.jobinfo() == []  # and the next call is not disturbed by what was left of it


@pytest.mark.parametrize("kind", [qb.Invalid, qb.Refused, qb.NotFound, qb.Conflict, qb.Unsupported, qb.Unreachable])
def test_the_farm_s_errors_come_back_as_what_they_were(farm: Supervisor, kind: type[qb.QubeError]) -> None:
    farm.answers.append(answers.refusal(kind.status, **kind("because of this").to_wire()))
    with pytest.raises(kind, match="because of this"):
        qb.kill(250)
    assert "because of this" in qb.error()


def test_details_of_an_error_come_back_with_it(farm: Supervisor) -> None:
    farm.answers.append(answers.refusal(400, **qb.Invalid("no such type", field="prototype").to_wire()))
    with pytest.raises(qb.Invalid) as caught:
        qb.submit(JOB)
    assert caught.value.field == "prototype"


def test_an_error_that_a_newer_farm_invented_keeps_its_code(farm: Supervisor) -> None:
    farm.answers.append(answers.refusal(402, code="coins", message="insert coin"))
    with pytest.raises(qb.QubeError, match="insert coin") as caught:
        qb.info()
    assert caught.value.code == "coins"


def test_a_token_that_the_farm_does_not_take_is_traced_to_where_it_came_from(farm: Supervisor) -> None:
    farm.answers.append(answers.refusal(401, code="unauthorized", message="this token is unknown"))
    with pytest.raises(qb.Unauthorized, match=r"this token is unknown .asked .*credentials, section"):
        qb.info()


def test_numbers_beyond_53_bits_arrive_as_they_are(farm: Supervisor) -> None:
    farm.answers.append(answers.result([{"id": 2**63 - 1}]))
    assert qb.jobinfo(id=2**60 + 1)[0]["id"] == 2**63 - 1
    assert farm.asked[0].body["kwargs"]["id"] == 2**60 + 1


def test_a_value_that_cannot_travel_is_refused_here(farm: Supervisor) -> None:
    with pytest.raises(qb.Invalid, match="cannot be sent as JSON: a bytes"):
        qb.submit({**JOB, "notes": b"raw"})
    assert farm.asked == []


def test_a_supervisor_may_live_below_a_path(farm: Supervisor) -> None:
    write_credentials(f"{farm.url}/render/", "qbu_below")
    qb.info()
    assert farm.asked[0].path == "/render/api/v1/info"
    assert farm.asked[0].headers["Authorization"] == "Bearer qbu_below"


def test_speaking_https_to_a_plain_port_is_one_sentence(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QB_TOKEN", "qbu_any")
    monkeypatch.setenv("QB_SUPERVISOR", f"https://127.0.0.1:{farm.port}")
    with pytest.raises(qb.Unreachable, match=r"^https://127.0.0.1"):
        qb.info()


def test_the_client_knows_no_proxy_that_could_read_its_token(
    farm: Supervisor, stranger: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", stranger.url)
    qb.info()
    assert (farm.names(), stranger.names()) == (["info"], [])
