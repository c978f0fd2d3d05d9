"""Connections: kept, dropped, silent; what is asked again and what never."""

from __future__ import annotations

import http.client
import os
import threading
from typing import Any

import pytest

import qb
from qbcore.remote import client
from tests.qbcore.remote import supervisor as answers
from tests.qbcore.remote.supervisor import Supervisor

JOB = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def test_a_silent_supervisor_is_given_up_after_the_timeout(farm: Supervisor) -> None:
    qb.settimeout(50)
    assert qb.gettimeout() == 50
    farm.answers.append(answers.hang)
    with pytest.raises(qb.Unreachable, match=r"nothing came within 0.05 s. Set QB_SUPERVISOR"):
        qb.jobinfo()


def test_a_verb_whose_answer_got_lost_is_said_to_be_in_doubt(farm: Supervisor) -> None:
    qb.settimeout(50)
    farm.answers.append(answers.hang)
    with pytest.raises(qb.Unreachable, match="kill may have been carried out all the same"):
        qb.kill(250)
    assert farm.names() == ["kill"]


@pytest.mark.parametrize("wrong", [0, -1, "soon", None, True, float("inf"), float("nan")])
def test_a_timeout_is_a_positive_number_of_milliseconds(wrong: Any) -> None:
    with pytest.raises(qb.Invalid, match="ms: a timeout is a number of milliseconds"):
        qb.settimeout(wrong)


def test_calls_of_one_thread_share_one_connection(farm: Supervisor) -> None:
    for _ in range(3):
        qb.info()
    assert len({one.line for one in farm.asked}) == 1


def test_a_connection_that_the_supervisor_closed_while_idle_is_opened_anew_even_for_a_verb(farm: Supervisor) -> None:
    farm.answers.append(answers.then_close(answers.result({})))
    qb.info()
    farm.wait_closed()
    qb.kill(250)
    assert farm.names() == ["info", "kill"]


def test_a_read_is_asked_again_when_the_kept_connection_drops_under_it(farm: Supervisor) -> None:
    farm.answers += [answers.result({}), answers.drop, answers.result([{"id": 1}])]
    qb.info()
    assert qb.jobinfo() == [{"id": 1}]
    assert farm.names() == ["info", "jobinfo", "jobinfo"]


def test_a_submit_is_asked_again_with_the_same_key_and_the_next_one_has_another(farm: Supervisor) -> None:
    farm.answers += [answers.result({}), answers.drop]
    qb.info()
    qb.submit(JOB)
    qb.submit(JOB)
    keys = [one.headers["Idempotency-Key"] for one in farm.asked if one.name == "submit"]
    assert (len(keys), keys[0] == keys[1], keys[1] == keys[2]) == (3, True, False)


def test_a_verb_is_not_asked_again_when_its_connection_drops(farm: Supervisor) -> None:
    farm.answers += [answers.result({}), answers.drop]
    qb.info()
    with pytest.raises(qb.Unreachable, match="kill may have been carried out"):
        qb.kill(250)
    assert farm.names() == ["info", "kill"]


def test_a_read_is_not_asked_for_ever_when_every_connection_drops(farm: Supervisor) -> None:
    farm.answers += [answers.result({}), *[answers.drop] * 5]
    qb.info()
    with pytest.raises(qb.Unreachable):
        qb.jobinfo()
    assert farm.names() == ["info", "jobinfo", "jobinfo"]


def test_each_thread_has_a_connection_of_its_own_that_ends_with_it(farm: Supervisor) -> None:
    qb.info()
    thread = threading.Thread(target=qb.info)
    thread.start()
    thread.join()
    farm.wait_closed()
    qb.info()
    assert len({one.line for one in farm.asked}) == 2


def test_a_forked_child_does_not_use_its_parent_s_connection(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    qb.info()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    qb.info()
    assert farm.asked[0].line != farm.asked[1].line


def test_the_client_closes_what_it_opened(farm: Supervisor) -> None:
    qb.info()
    client.close()
    farm.wait_closed()
    qb.info()
    assert isinstance(http.client.HTTPConnection, type)
    assert len({one.line for one in farm.asked}) == 2


def test_a_new_connection_that_drops_is_not_tried_again(farm: Supervisor) -> None:
    farm.answers.append(answers.drop)
    with pytest.raises(qb.Unreachable, match="closed connection without response"):
        qb.jobinfo()
    assert farm.names() == ["jobinfo"]
