"""What the farm says of itself as a whole."""

from __future__ import annotations

import pytest

from qbcore import acting, permissions, queries, submission
from qbcore.acting import Actor
from qbcore.errors import Invalid
from qbcore.models import JobRow
from tests.hand import FOUR_FRAMES, Hand, drive

pytestmark = pytest.mark.django_db


def test_the_counts_of_the_farm_add_up() -> None:
    submission.submit([FOUR_FRAMES, {**FOUR_FRAMES, "status": "blocked"}])
    hand = Hand("a1", slots=3)
    hand.begin()
    found = queries.stats()
    assert (sum(found["jobs"].values()), sum(found["subjobs"].values()), sum(found["work"].values())) == (2, 4, 8)
    assert (found["hosts"]["active"], found["slots"]) == (1, {"total": 3, "used": 2})
    drive(hand)
    assert queries.stats()["jobs"] == {**dict.fromkeys(found["jobs"], 0), "complete": 1, "blocked": 1}


def test_an_empty_farm_counts_nothing() -> None:
    found = queries.stats()
    assert (set(found["work"].values()), found["slots"]) == ({0}, {"total": 0, "used": 0})


def test_the_farm_s_clock_is_a_whole_number_of_seconds_near_the_last_submission() -> None:
    submission.submit(FOUR_FRAMES)
    assert 0 <= queries.currenttime() - int(JobRow.objects.get().timesubmit.timestamp()) <= 5


def test_an_admin_is_known_by_name_or_as_the_asker() -> None:
    permissions.ensure_user("root", role="admin")
    permissions.ensure_user("bob", role="artist")
    with acting.acting_as(Actor("bob", "artist")):
        assert [queries.isadmin(), queries.isadmin("root"), queries.isadmin("bob"), queries.isadmin("nobody")] == [
            False, True, False, False,
        ]  # fmt: skip
    with acting.acting_as(Actor("root", "admin")):
        assert queries.isadmin()


def test_the_values_of_a_field_are_listed_once_in_order_without_empty_ones() -> None:
    for show, shot in (("beta", "s2"), ("alpha", "s1"), ("beta", "s1"), ("", "")):
        submission.submit({**FOUR_FRAMES, "prod_show": show, "prod_shot": shot, "cluster": f"/{show}"})
    assert queries.jobtagvalues("prod_show") == ["alpha", "beta"]
    assert queries.jobtagvalues("prod_shot") == ["s1", "s2"]
    assert queries.jobtagvalues("cluster") == ["/", "/alpha", "/beta"]


def test_a_field_that_cannot_be_listed_is_refused_with_those_that_can() -> None:
    with pytest.raises(Invalid, match="prod_shot"):
        queries.jobtagvalues("package")


def test_the_configuration_holds_no_secret_and_no_address() -> None:
    text = str(queries.supervisorconfig()).lower()
    assert "lease" in text
    assert not [word for word in ("secret", "password", "token", "://") if word in text]


def test_a_job_is_judged_without_being_stored() -> None:
    assert submission.validatejob(FOUR_FRAMES) == []
    [problem] = submission.validatejob({**FOUR_FRAMES, "requirements": "host.memory >"})
    assert "requirements" in problem
    assert JobRow.objects.count() == 0
