"""The flag export_environment: what of this process's environment travels with a job."""

from __future__ import annotations

import os
from typing import Any

import pytest

import qb
from tests.qbcore.remote.supervisor import Supervisor

JOB = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def test_the_flag_sends_this_environment_without_the_farm_s_secrets(
    farm: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO", "ours")
    monkeypatch.setenv("SHOW", "from the shell")
    for secret in ("QB_TOKEN", "QB_API_KEY", "FARM_SECRET", "FARM_ADMIN_PASSWORD", "DATABASE_URL", "QB_FRAME_NUMBER"):
        monkeypatch.setenv(secret, "hidden")
    job = qb.Job({**JOB, "flags": "export_environment", "env": {"SHOW": "from the job"}})
    qb.submit([job])
    env = farm.asked[0].body["args"][0][0]["env"]
    assert (env["STUDIO"], env["SHOW"]) == ("ours", "from the job")
    assert "hidden" not in env.values()
    assert job["env"] == {"SHOW": "from the job"}


@pytest.mark.parametrize("flags", [{}, {"flags": 8}, {"flagsstring": "mail"}])
def test_without_the_flag_no_environment_is_sent(farm: Supervisor, flags: dict[str, Any]) -> None:
    qb.submit({**JOB, **flags})
    assert "env" not in farm.asked[0].body["args"][0]


@pytest.mark.parametrize("flags", [{"flags": 24}, {"flags": "16"}, {"flagsstring": "mail,export_environment"}])
def test_the_flag_may_be_a_number_a_text_or_a_name(farm: Supervisor, flags: dict[str, Any]) -> None:
    qb.submit({**JOB, **flags})
    assert farm.asked[0].body["args"][0]["env"]["PATH"] == os.environ["PATH"]


def test_an_environment_that_is_not_utf_8_stays_at_home(farm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATIN", os.fsdecode(b"caf\xe9"))
    qb.submit({**JOB, "flags": 16})
    assert "LATIN" not in farm.asked[0].body["args"][0]["env"]
