"""schemathesis asks what only the program of a job may ask, with the token of a running attempt."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from schemathesis.generation import GenerationMode

from qbcore import permissions, submission
from tests.farm.test_schemathesis import CHECKS, LIMITS, document, one_connection
from tests.hand import Hand
from tests.program import LOOP, programs

__all__ = ["one_connection"]
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(0)]


@pytest.fixture
def token(db: None) -> str:
    """Of a program that has taken an item."""
    submission.submit({**LOOP, "package": {"scene": "a.ma"}})
    [program] = programs(Hand(slots=1))
    program.ask()
    return permissions.attempt_token(program.frame["attempt"], program.actor.job or 0)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("name", ["jobobj", "requestwork", "reportwork", "reportjob"])
def test_what_a_program_may_ask_answers_as_the_document_says(name: str, mode: GenerationMode, token: str) -> None:
    @hypothesis.given(document[f"/api/v1/{name}"]["POST"].as_strategy(generation_mode=mode))
    @LIMITS
    def ask(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    ask()
