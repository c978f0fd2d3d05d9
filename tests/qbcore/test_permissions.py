"""Who may do what, asked inside the doors; and the tokens that say who somebody is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from qbcore import acting, archiving, logs, orders, permissions, precedence, queries, runs, submission, verbs
from qbcore.acting import Actor
from qbcore.errors import Refused
from qbcore.models import HistoryRow, JobRow, TokenRow, WorkRow
from qbcore.permissions import actor_for_token, attempt_token, may
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, job_in
from tests.make import make_user

pytestmark = pytest.mark.django_db

OWN, ANY, NONE = "own", "any", "none"
VERBS: dict[str, Callable[[int], Any]] = {
    **{verb: lambda job, verb=verb: getattr(verbs, verb)(job) for verb in verbs.JOB_VERBS},
    **{verb: lambda job, verb=verb: getattr(verbs, verb)(f"{job}:1") for verb in verbs.WORK_VERBS},
    "top": lambda job: precedence.top(job),
    "bottom": lambda job: precedence.bottom(job),
    "shove": lambda job: orders.shove(job),
    "modify": lambda job: submission.modify({"priority": 5}, job),
    "remove": lambda job: verbs.remove(job),
    "archive": lambda job: archiving.archive(job),
}
REACH = {"viewer": NONE, "artist": OWN, "operator": ANY, "admin": ANY, "farm": ANY, "attempt": NONE}


def mira_s_job() -> int:
    job = job_in(Status.PENDING)
    JobRow.objects.filter(pk=job).update(user="mira")
    return job


@pytest.mark.parametrize("role", REACH)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_for_the_roles_of_the_table(verb: str, role: str) -> None:
    job = mira_s_job()
    lines = HistoryRow.objects.count()
    for name in ("mira", "jonas"):
        actor = Actor(name, role, job=job if role == "attempt" else None)
        allowed = REACH[role] == ANY or (REACH[role] == OWN and name == "mira")
        assert may(actor, verb, owner="mira", job=job) is allowed
        if allowed:
            continue
        with acting.acting_as(actor), pytest.raises(Refused) as refusal:
            VERBS[verb](job)
        said = refusal.value.to_wire()
        assert verb in said["right"]
        assert "operators and admins" in said["holders"]
    assert JobRow.objects.get(pk=job).status == Status.PENDING
    assert HistoryRow.objects.count() == lines


def test_the_table_knows_every_verb_that_a_page_can_ask_for() -> None:
    assert set(VERBS) == set(permissions.JOB_VERBS)


def test_an_artist_acts_on_their_own_job() -> None:
    job = mira_s_job()
    with acting.acting_as(Actor("mira", "artist")):
        assert verbs.blockwork(f"{job}:1") == [f"{job}:1"]
        assert verbs.remove(job) == [job]


def test_one_job_of_another_s_stops_the_call_before_it_is_touched() -> None:
    mine, theirs = mira_s_job(), job_in(Status.PENDING)
    with acting.acting_as(Actor("mira", "artist")), pytest.raises(Refused):
        verbs.kill(theirs)
    with acting.acting_as(Actor("mira", "artist")):
        assert len(verbs.kill(mine)) == 2
    assert JobRow.objects.get(pk=theirs).status == Status.PENDING


@pytest.mark.parametrize(
    ("role", "superuser", "is_"),
    [("viewer", False, "viewer"), ("artist", False, "artist"), ("artist", True, "admin"), ("king", False, "artist")],
)
def test_the_role_of_a_user_is_read_from_their_row(role: str, superuser: bool, is_: str) -> None:
    user = make_user("mira", role)
    user.is_superuser = superuser
    assert permissions.role_of(user) == is_


def test_a_personal_token_is_its_user_and_only_its_digest_is_kept() -> None:
    token = permissions.new_token(make_user("mira"), label="laptop")
    assert actor_for_token(token) == Actor("mira", "artist")
    assert not TokenRow.objects.filter(token=token).exists()


@pytest.mark.parametrize("what", ["unknown", "expired", "ended user", "for signing in", "empty"])
def test_a_token_that_is_no_longer_one_is_nobody(what: str) -> None:
    user = make_user("mira")
    token = permissions.new_token(user, label="x", purpose="signin" if what == "for signing in" else "api")
    if what == "expired":
        TokenRow.objects.update(expires=timezone.now() - timedelta(seconds=1))
    if what == "ended user":
        user.is_active = False
        user.save()
    assert actor_for_token({"unknown": token + "x", "empty": ""}.get(what, token)) is None


def test_a_sign_in_link_works_once() -> None:
    user = make_user("mira")
    token = permissions.new_token(user, label="link", purpose="signin", days=1)
    assert permissions.redeem_signin(token) == user
    assert permissions.redeem_signin(token) is None


def running() -> tuple[int, int, str, Hand]:
    """A job, an attempt of it that runs, its token, and the worker."""
    job = int(submission.submit({**FOUR_FRAMES, "cpus": 1, "user": "mira"})["id"])
    hand = Hand(slots=1)
    hand.begin()
    frame = hand.frames[0][1]
    return job, frame["attempt"], frame["token"], hand


def test_the_token_of_an_attempt_reads_its_own_job_and_nothing_else() -> None:
    job, attempt, token, _ = running()
    other = job_in(Status.PENDING)
    actor = actor_for_token(token)
    assert actor == Actor("mira", "attempt", job=job, attempt=attempt)
    assert actor is not None
    with acting.acting_as(actor):
        assert [row["id"] for row in queries.jobinfo()] == [job]
        assert queries.hist(other) == logs.stdout(other) == []
        for forbidden in (
            lambda: verbs.kill(job),
            lambda: submission.submit(FOUR_FRAMES),
            lambda: submission.modify({"priority": 1}, job),
            lambda: queries.hostinfo(),
            lambda: queries.info(),
            lambda: runs.start("kill", runs.Selection(jobs=(job,))),
        ):
            with pytest.raises(Refused):
                forbidden()


def test_the_token_of_an_attempt_dies_with_it() -> None:
    _, _, token, hand = running()
    assert actor_for_token(token) is not None
    hand.report(0)
    assert actor_for_token(token) is None


@pytest.mark.parametrize("end", ["killed", "lost", "interrupted"])
def test_the_token_of_an_attempt_dies_however_it_ends(end: str) -> None:
    job, _, token, hand = running()
    if end == "killed":
        verbs.kill(job)
    elif end == "interrupted":
        hand.end_all()
    else:
        hand.held = {}
        hand.sync()
    assert actor_for_token(token) is None


def test_a_frame_that_was_reserved_ahead_has_a_token_from_its_start() -> None:
    job = int(submission.submit({**FOUR_FRAMES, "cpus": 1})["id"])
    JobRow.objects.filter(pk=job).update(timed=10, seconds=1.0)
    hand = Hand(slots=1)
    hand.begin()
    reserved = hand.frames[1][1]
    actor = actor_for_token(reserved["token"])
    assert actor is not None
    assert (actor.job, actor.attempt) == (job, reserved["attempt"])
    WorkRow.objects.filter(pos=reserved["pos"]).update(attempt_id=None, grant_id=None)
    assert actor_for_token(reserved["token"]) is None


def test_a_forged_token_of_an_attempt_is_nobody() -> None:
    job, attempt, token, _ = running()
    other = job_in(Status.PENDING)
    mark = token.rpartition(".")[2]
    forged = [
        f"qba_{attempt}.{other}.{mark}",
        f"qba_{attempt + 1}.{job}.{mark}",
        f"qba_{attempt}.{job}.",
        f"qba_{attempt}.{job}.{'A' * len(mark)}",
        f"qba_{attempt}.{job}",
        f"qba_{attempt}.{'9' * 30}.{mark}",
        f"qba_-1.{job}.{mark}",
        f"qba_²{attempt}.{job}.{mark}",
        f"qba_{attempt}.{job}.ä",
        "qba_",
        token[:-1],
        token + " ",
    ]
    assert [one for one in forged if actor_for_token(one)] == []
    assert actor_for_token(attempt_token(attempt, job)) is not None
    assert actor_for_token(attempt_token(attempt, other)) is None, "well signed, but of another job"
